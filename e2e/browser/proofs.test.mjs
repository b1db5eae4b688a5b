// Each check of the setup portal fails for a while, says what is missing, and passes once that is done.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { addRedirectUri, assignGroup, createApp, openConsole, setGroupsClaim } from './console.mjs';
import { api, control, demo, sandbox, send, signInIfAsked, test } from './harness.mjs';

const ALAN = { email: 'alan@acme.example', password: 'alan-in-the-sandbox' };

/** A setup in the browser of somebody new. */
async function setup(visitor, name) {
  const { id } = await api('POST', '/organizations', {
    name,
    allow_profiles_outside_organization: true,
  });
  const { link } = await api('POST', '/portal/generate_link', { organization: id });
  const page = await visitor({ expected: [/422/] });
  await page.goto(link);
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.waitForURL(/\/setup\/home$/);
  return { id, page };
}

/** Tests a sign-in from the step that is open. */
async function testSignIn(page, person) {
  const before = page.url();
  await page.getByRole('button', { name: /^Test (sign-in|again)/ }).click();
  const isBack = (at) => at.href !== before && /^\/setup\/.*\?test=/.test(at.pathname + at.search);
  await signInIfAsked(page, isBack, person);
}

/** The mark of a step in the list at the side. */
const mark = (page, name) =>
  page.getByRole('navigation', { name: 'Steps' }).getByRole('listitem').filter({ hasText: name });

test('every check of the guide fails and passes', async (visitor) => {
  const { page } = await setup(visitor, 'Globex');
  const okta = await visitor();
  await openConsole(okta);
  await page.getByRole('button', { name: 'Okta', exact: true }).click();
  await page.waitForURL(/steps\/create$/);
  const step = page.url().replace(/create$/, '');
  await page.getByRole('button', { name: 'I have done this' }).click();
  await page.waitForURL(/steps\/configure$/);
  const redirectUri = (await page.locator('#redirect-uri').innerText()).trim();
  // Somebody who enters another address, and says that it is done.
  const wrong = redirectUri.replace(/callback$/, 'calback');
  const { clientId, clientSecret } = await createApp(okta, {
    name: 'Checks',
    redirectUri: wrong,
    groups: ['Engineering'],
  });
  const app = okta.url();
  await page.getByRole('button', { name: 'I have done this' }).click();
  await page.waitForURL(/steps\/details$/);

  const save = async (secret, endpoint) => {
    await page.getByLabel('Client ID').fill(clientId);
    await page.getByLabel('Client Secret').fill(secret);
    await page.getByLabel('Discovery Endpoint').fill(endpoint);
    return send(page, 'Save Configuration');
  };
  // Discovery: nobody there, then somebody else's metadata.
  assert.equal(await save(clientSecret, 'http://127.0.0.1:1/'), 422);
  await page.locator('#error-discovery_endpoint').waitFor();
  await good(page);
  await sandbox('PUT', 'faults', ['discovery_issuer_mismatch']);
  await save(clientSecret, demo.sandbox.issuer);
  await page.locator('#error-discovery_endpoint', { hasText: /issuer/i }).waitFor();
  await sandbox('PUT', 'faults', []);
  // The secret.
  await save('not the secret', demo.sandbox.issuer);
  await page.getByText(/Client secret is right: Failed/).first().waitFor();
  assert.match(await mark(page, 'Enter the configuration details').innerText(), /needs attention/);
  await good(page);
  await save(clientSecret, demo.sandbox.issuer);
  // What is entered is right, but the redirect URI is not.
  await page.getByText(/Redirect URI.*: Failed/).first().waitFor();
  assert.match(await mark(page, 'Enter the configuration details').innerText(), /\(done\)/);
  assert.match(await mark(page, 'Configure the integration').innerText(), /needs attention/);

  await page.goto(`${step}configure`);
  await send(page, 'I have done this');
  await page.locator('main .notice.bad').waitFor();
  await good(page);
  await okta.goto(app);
  await addRedirectUri(okta, redirectUri);
  await page.getByRole('button', { name: 'I have done this' }).click();
  await page.waitForURL(/steps\/details$/);
  assert.match(await mark(page, 'Configure the integration').innerText(), /\(done\)/);
  await save(clientSecret, demo.sandbox.issuer);
  await page.getByText('All is well').waitFor();

  // The test: somebody whom the app is not assigned to.
  await page.getByRole('link', { name: /^Next: Test/ }).click();
  await testSignIn(page, ALAN);
  await page.locator('main .notice.bad').first().waitFor();
  assert.match(await page.locator('main').innerText(), /access_denied/);
  assert.match(await mark(page, 'Test the sign-in').innerText(), /needs attention/);
  await good(page);
  await okta.goto(app);
  await assignGroup(okta, 'Research');
  await testSignIn(page, ALAN);
  await page.getByText('a test sign-in succeeded').waitFor();

  // The groups.
  await page.getByRole('link', { name: /^Next: Send groups/ }).click();
  await page.getByText('No `groups` claim was received').waitFor();
  assert.match(await mark(page, 'Send groups').innerText(), /needs attention/);
  await good(page);
  await okta.goto(app);
  await setGroupsClaim(okta);
  await testSignIn(page, ALAN);
  await page.getByText('groups were received in the last test').waitFor();
  await page.getByText('Research', { exact: true }).first().waitFor();
});

test('a domain is pending until its txt record is there, and verified then', async (visitor) => {
  const { page } = await setup(visitor, 'Hooli');
  await page.getByRole('link', { name: 'Add a domain' }).click();
  await page.getByLabel('Domain').fill('not a domain');
  await page.getByRole('button', { name: 'Add domain' }).click();
  await page.locator('#error-domain').waitFor();
  await page.getByLabel('Domain').fill('hooli.example');
  await page.getByRole('button', { name: 'Add domain' }).click();
  await page.getByText('Pending').waitFor();
  const record = (await page.locator('[id^=txt-]').textContent()).trim();
  const check = () => send(page, 'Check now');
  await check();
  await page.getByText('Pending').waitFor();
  const nothing = await page.locator('.notice.warn p').first().innerText();
  await good(page);
  // Another record, as somebody has it who copied half of it.
  await control('PUT', '/txt/hooli.example', record.slice(0, -4));
  await check();
  await page.locator('.notice.warn p').first().filter({ hasNotText: nothing }).waitFor();
  await page.getByText(record.slice(0, -4), { exact: false }).first().waitFor();
  await good(page);
  await control('PUT', '/txt/hooli.example', record);
  await check();
  await page.getByText('The domain is verified.').waitFor();
  await page.getByText('Verified', { exact: true }).waitFor();
  await good(page);
  await page.goto(new URL('/setup/home', page.url()).href);
  assert.equal(await page.locator('.badge.good', { hasText: 'hooli.example' }).count(), 1);
});
