// A login fails; whoever helps finds out why by the number on the error page.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { appPage, deactivateSecret, generateSecret, openConsole } from './console.mjs';
import { api, demo, sandbox, signInAtOkta, test, url } from './harness.mjs';

const login = new URL('/login', demo.application_url).href;

/** The reference number on the page that a person sees. */
async function reference(page) {
  return /sess_[0-9A-Z]{26}/.exec(await page.locator('main').innerText())?.[0];
}

/** Looks a number up under "Sessions", as somebody of the support. */
async function find(page, number) {
  await page.goto(url('/dashboard'));
  await page.getByRole('link', { name: 'Sessions', exact: true }).click();
  await page.getByLabel('Reference number').fill('sess_of somebody');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.getByText('A reference number begins with sess_.').waitFor();
  await page.getByLabel('Reference number').fill(number);
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.waitForURL(`**/sessions/${number}`);
  await page.getByRole('heading', { name: 'Trace' }).waitFor();
}

/** The step of the trace that failed: the only one. */
async function failedStep(page) {
  const failed = page.locator('ol.findings > li').filter({ has: page.locator('.bad-mark') });
  assert.equal(await failed.count(), 1);
  return failed;
}

test('a secret that was replaced at the provider is what a failed login is traced to', async (visitor) => {
  const okta = await visitor();
  await openConsole(okta);
  await appPage(okta, 'Vestibule');
  const secret = await generateSecret(okta);
  await deactivateSecret(okta, 1);

  const person = await visitor();
  await person.goto(login);
  await signInAtOkta(person);
  await person.getByRole('heading', { name: 'You are not signed in' }).waitFor();
  await good(person);
  const number = await reference(person);
  assert.ok(number, await person.locator('main').innerText());

  const page = await visitor({ as: 'support' });
  await find(page, number);
  await page.getByText('the secret may have expired or been replaced').first().waitFor();
  await page.getByText("To be mended by: Customer's IT").waitFor();
  await page.getByText('token_endpoint_invalid_client').first().waitFor();
  const step = await failedStep(page);
  assert.match(await step.innerText(), /token_endpoint\.client/);
  await good(page);
  assert.equal((await page.content()).includes(secret), false);

  // The same attempt is in the list of its connection, with its cause.
  await page.getByRole('link', { name: 'Acme Okta' }).click();
  await page.getByRole('link', { name: 'Sessions', exact: true }).last().click();
  await page.getByRole('cell', { name: 'token_endpoint_invalid_client' }).waitFor();
  await api('PATCH', `/connections/${demo.connection_id}`, { oidc: { client_secret: secret } });
});

test('what was expected and what came stand beside each other', async (visitor) => {
  const { apps } = await sandbox('GET', 'state');
  const { client_id: clientId } = apps.find(({ name }) => name === 'Vestibule');
  await sandbox('PUT', `apps/${clientId}/faults`, ['wrong_iss_parameter']);
  const person = await visitor();
  await person.goto(login);
  await signInAtOkta(person);
  // Nobody can tell whose answer this is, so it stays here.
  await person.getByRole('heading', { name: 'Sign-in not completed' }).waitFor();
  await good(person);
  const number = await reference(person);
  await sandbox('PUT', `apps/${clientId}/faults`, []);

  const page = await visitor({ as: 'support' });
  await find(page, number);
  await page.getByText("To be mended by: Customer's IT").waitFor();
  const step = await failedStep(page);
  const values = await step.locator('dl.compare dd').allInnerTexts();
  assert.deepEqual(values, [demo.sandbox.issuer, 'https://other-tenant.okta.example']);
  await good(page);

  await person.goto(login);
  await person.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
});
