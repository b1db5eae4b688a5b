// The whole guide by mouse: once as the operator in the dashboard, once as the customer's IT
// administrator by a link, each with the simulated tenant's own admin console beside.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { createApp, openConsole, setGroupsClaim } from './console.mjs';
import { api, demo, scan, signInIfAsked, test } from './harness.mjs';

const ADA = demo.sandbox.users[0];

/** Creates the app integration in the tenant's admin console: client id and secret. */
async function createOktaApp(page, name, redirectUri) {
  await openConsole(page);
  const groups = ['Administrators', 'Engineering'];
  const made = await createApp(page, { name, redirectUri, groups });
  return { ...made, app: page.url() };
}

/** Switches the groups claim on, as step 4 of the guide says. */
async function sendGroups(page, app) {
  await page.goto(app);
  await setGroupsClaim(page);
}

/** The role that a login through a connection ends with. */
async function roleOf(page, connection) {
  const authorize = new URL('/sso/authorize', demo.base_url);
  authorize.search = new URLSearchParams({
    client_id: demo.client_id,
    redirect_uri: demo.redirect_uri,
    response_type: 'code',
    connection,
    state: 'guide',
  });
  let code;
  // The sample application did not begin this login, so it leaves the code alone.
  page.on('request', (request) => {
    if (request.url().startsWith(demo.redirect_uri)) {
      code = new URL(request.url()).searchParams.get('code');
    }
  });
  await page.goto(authorize.href);
  await signInIfAsked(page, new RegExp(`^${demo.redirect_uri.replaceAll(/[.?]/g, '\\$&')}`));
  const answer = await fetch(new URL('/sso/token', demo.base_url), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: demo.client_id,
      client_secret: demo.api_key,
      code,
    }),
  });
  return (await answer.json()).profile?.role?.slug;
}

/** The connection in the address of a page. */
const connectionOf = (page) => /conn_[0-9A-Z]{26}/.exec(page.url())[0];

test('an operator goes from the first start to a sign-in with a role', async (visitor) => {
  const page = await visitor({ expected: [/422/] });
  await page.goto(demo.dashboard_url);
  await page.getByLabel('Your name').fill('Olga');
  await page.getByLabel('E-mail address').fill('olga@staff.example');
  await page.getByLabel('Password', { exact: true }).fill('a quiet front room');
  await page.getByLabel('The same password again').fill('a quiet front room');
  await page.getByRole('button', { name: 'Create the first administrator' }).click();
  await page.waitForURL(/overview/);
  await good(page);
  await page.getByRole('link', { name: 'Organizations' }).click();
  await page.getByRole('link', { name: 'Create organization' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Globex');
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.waitForURL(/organizations\/org_/);
  await good(page);
  const organization = /org_[0-9A-Z]{26}/.exec(page.url())[0];
  await page.getByRole('link', { name: 'Configure manually' }).click();
  await good(page);
  await page.getByLabel(/identity provider/i).selectOption('OktaOIDC');
  await page.getByLabel(/name/i).first().fill('Globex Okta');
  await page.getByRole('button', { name: 'Create Connection' }).click();
  await page.waitForURL(/connections\/conn_/);
  await good(page);
  const connection = page.url().split('?')[0];
  const redirectUri = (await page.locator('#redirect-uri').innerText()).trim();

  const okta = await visitor();
  const { clientId, clientSecret, app } = await createOktaApp(okta, 'Operator', redirectUri);
  await page.getByLabel('Client ID').fill(clientId);
  await page.getByLabel('Client Secret').fill(clientSecret);
  await page.getByLabel('Discovery Endpoint').fill('http://127.0.0.1:1/');
  await page.getByRole('button', { name: 'Save Configuration' }).click();
  await page.locator('#error-discovery_endpoint').waitFor();
  assert.equal(await page.getByLabel('Client ID').inputValue(), clientId);
  await page.getByLabel('Client Secret').fill(clientSecret);
  await page.getByLabel('Discovery Endpoint').fill(demo.sandbox.issuer);
  await page.getByRole('button', { name: 'Save Configuration' }).click();
  await page.getByText('Your changes are saved.').waitFor();
  await good(page);
  assert.ok(!(await page.content()).includes(clientSecret));

  await page.getByRole('link', { name: 'Doctor' }).click();
  await page.getByRole('button', { name: 'Examine the connection' }).click();
  await page.getByRole('heading', { name: 'Report' }).waitFor();
  await good(page);
  await sendGroups(okta, app);
  await page.goto(connection);
  await page.getByRole('link', { name: 'Create group' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('IdP Group ID').fill('Administrators');
  await dialog.getByLabel('Role').selectOption('admin');
  await dialog.getByRole('button', { name: 'Create group' }).click();
  await page.getByRole('cell', { name: 'Administrators' }).first().waitFor();
  await api('PUT', `/organizations/${organization}`, { allow_profiles_outside_organization: true });

  await page.getByRole('link', { name: 'Test sign-in' }).click();
  await page.getByRole('button', { name: 'Test sign-in' }).click();
  await signInIfAsked(page, /\/test\/sess_/);
  await page.getByText('The test succeeded.').waitFor();
  await page.getByRole('cell', { name: 'Administrators' }).first().waitFor();
  await good(page);
  const person = await visitor({ expected: [/4\d\d/] });
  assert.equal(await roleOf(person, connectionOf(page)), 'admin');
  await page.goto(`${connection}/sessions`);
  await page.getByRole('link', { name: ADA.email }).first().click();
  await page.getByRole('heading', { name: 'Trace' }).waitFor();
  await good(page);
});

test('an it administrator does the same by a link that a scanner opens first', async (visitor) => {
  const { id } = await api('POST', '/organizations', {
    name: 'Initech',
    allow_profiles_outside_organization: true,
  });
  const { link } = await api('POST', '/portal/generate_link', { organization: id });
  await scan(link);
  const page = await visitor({ expected: [/422/] });
  await page.goto(link);
  await good(page);
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.waitForURL(/\/setup\/home$/);
  await good(page);
  await page.getByRole('button', { name: 'Okta', exact: true }).click();
  await page.waitForURL(/steps\/create$/);
  await good(page);
  const connection = connectionOf(page);
  await page.getByRole('button', { name: 'I have done this' }).click();
  await page.waitForURL(/steps\/configure$/);
  await good(page);
  const redirectUri = (await page.locator('#redirect-uri').innerText()).trim();
  const okta = await visitor();
  const { clientId, clientSecret, app } = await createOktaApp(okta, 'IT', redirectUri);
  await page.getByRole('button', { name: 'I have done this' }).click();
  await page.waitForURL(/steps\/details$/);
  await page.getByText('your-company.okta.com', { exact: true }).waitFor();
  for (const [secret, sentence] of [
    ['not the secret', /Client secret is right: Failed/],
    [clientSecret, /All is well/],
  ]) {
    await page.getByLabel('Client ID').fill(clientId);
    await page.getByLabel('Client Secret').fill(secret);
    await page.getByLabel('Discovery Endpoint').fill(demo.sandbox.issuer);
    await page.getByRole('button', { name: 'Save Configuration' }).click();
    await page.getByText(sentence).first().waitFor();
    await good(page);
  }
  await page.getByRole('link', { name: /^Next: Test/ }).click();
  await page.getByRole('button', { name: 'Test sign-in' }).click();
  await signInIfAsked(page, /steps\/test\?test=/);
  await page.getByText('a test sign-in succeeded').waitFor();
  await good(page);
  await page.getByRole('link', { name: /^Next: Send groups/ }).click();
  await page.getByText('No `groups` claim was received').waitFor();
  await good(page);
  await sendGroups(okta, app);
  await page.getByRole('button', { name: 'Test again' }).click();
  await signInIfAsked(page, /steps\/groups\?test=/);
  await page.getByText('groups were received in the last test').waitFor();
  await page.getByRole('link', { name: /^Next: Assign roles/ }).click();
  await page.getByLabel('IdP Group ID').fill('Administrators');
  await page.getByLabel('Role', { exact: true }).selectOption('admin');
  await page.getByRole('button', { name: 'Create group' }).click();
  await page.getByRole('cell', { name: 'Administrators' }).first().waitFor();
  await good(page);
  await page.getByRole('link', { name: /going live/ }).last().click();
  await page.getByRole('button', { name: 'Go live' }).click();
  await page.getByText('Single sign-on is live.').waitFor();
  await good(page);
  const person = await visitor({ expected: [/4\d\d/] });
  assert.equal(await roleOf(person, connection), 'admin');
});
