// Passkeys, with an authenticator that the browser itself simulates.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { device } from './device.mjs';
import { demo, test, url } from './harness.mjs';

const EMAIL = 'olga@staff.example';
const PASSWORD = 'a quiet front room';
/** The link that the first administrator makes for another one. */
let invitation;

async function signOut(page) {
  await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
  await page.getByText('You are signed out.').waitFor();
}

const usePasskey = (page) => page.getByRole('button', { name: 'Sign in with a passkey' }).click();

test('a passkey is added, signs in, and is removed', async (visitor) => {
  const page = await visitor({ expected: [/422/] });
  const phone = await device(page);
  await page.goto(demo.dashboard_url);
  await page.getByLabel('Your name').fill('Olga');
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('The same password again').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create the first administrator' }).click();
  await page.waitForURL(/\/overview/);

  await page.goto(url('/dashboard/account'));
  await page.getByRole('link', { name: 'Add a passkey' }).click();
  await good(page);
  await page.getByLabel('Name').fill('Phone');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('link', { name: 'Remove Phone' }).waitFor();
  await good(page);
  const [credential] = await phone.credentials();
  assert.equal(credential.rpId, 'localhost');
  assert.equal(credential.isResidentCredential, true);

  // One device has one passkey here.
  await page.getByRole('link', { name: 'Add a passkey' }).click();
  await page.getByLabel('Name').fill('Again');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByText('This device has a passkey here already.').waitFor();

  await signOut(page);
  await good(page);
  await phone.recognises(false);
  await usePasskey(page);
  await page.getByText('No passkey was used.').waitFor();
  await good(page);
  await phone.recognises(true);
  await usePasskey(page);
  await page.waitForURL(/\/overview/);
  const [used] = await phone.credentials();
  assert.ok(used.signCount > credential.signCount);

  await page.goto(url('/dashboard/account'));
  await page.getByText('last used').waitFor();
  await page.getByRole('link', { name: 'Remove Phone' }).click();
  await page.getByRole('button', { name: 'Remove passkey' }).click();
  await page.getByText('You have no passkey yet.').waitFor();
  await signOut(page);
  await usePasskey(page);
  await page.getByRole('alert').waitFor();
  assert.match(page.url(), /sign-in/);
  await good(page);
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/overview/);
  await page.goto(url('/dashboard/team'));
  await page.getByLabel('E-mail address').fill('dev@staff.example');
  await page.getByRole('button', { name: 'Create invitation link' }).click();
  invitation = (await page.locator('#invitation').textContent()).trim();
});

test('somebody joins with a passkey and has no password at all', async (visitor) => {
  const page = await visitor();
  const phone = await device(page);
  await page.goto(invitation);
  await page.getByLabel('Your name').fill('Dev');
  await page.getByRole('button', { name: 'Use a passkey instead of a password' }).click();
  await page.waitForURL(/\/overview/);
  assert.equal((await phone.credentials()).length, 1);
  await signOut(page);
  await usePasskey(page);
  await page.waitForURL(/\/overview/);
  await page.goto(url('/dashboard/account'));
  await page.getByText('You have none: you sign in with a passkey.').waitFor();
  // Before changing how one signs in, one proves again who one is: here with the passkey.
  await page.goto(url('/dashboard/account/confirm?next=/dashboard/account/passkeys/new'));
  await page.getByRole('heading', { name: 'Is it you?' }).waitFor();
  assert.equal(await page.getByLabel('Password').count(), 0);
  await good(page);
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.waitForURL(/\/passkeys\/new$/);
});

test('dsh_10 another site can not use the passkey of this one', async (visitor) => {
  const page = await visitor();
  await device(page);
  await page.goto(demo.application_url);
  const refusal = await page.evaluate(() =>
    navigator.credentials
      .get({ publicKey: { challenge: new Uint8Array(32), rpId: 'localhost' } })
      .then(() => 'used', (error) => error.name),
  );
  assert.equal(refusal, 'SecurityError');
});
