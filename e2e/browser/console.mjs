// The simulated Okta's admin console, used as the guide for Okta says, by the labels that it names.

import assert from 'node:assert/strict';
import { demo } from './people.mjs';

const console = (path) => new URL(path, demo.sandbox.issuer).href;

/** Signs in to the console, as whoever administers the tenant. */
export async function openConsole(page) {
  await page.goto(console('/admin'));
  const { email, password } = demo.sandbox.admin;
  await page.getByLabel('Username').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation').getByRole('link', { name: 'Applications', exact: true }).waitFor();
}

/** Step 1 and 2 of the guide: an app integration with this redirect URI, for these groups. */
export async function createApp(page, { name, redirectUri, groups }) {
  await page.getByRole('navigation').getByRole('link', { name: 'Applications', exact: true }).click();
  await page.getByRole('link', { name: 'Create App Integration' }).click();
  await page.getByLabel('OIDC - OpenID Connect').check();
  await page.getByLabel('Web Application').check();
  await page.getByRole('button', { name: 'Next' }).click();

  await page.getByLabel('App integration name').fill(name);
  await page.getByRole('textbox', { name: /Sign-in redirect URI/ }).first().fill(redirectUri);
  await page.getByLabel('Limit access to selected groups').check();
  for (const group of groups) await page.getByLabel(group, { exact: true }).check();
  await page.getByRole('button', { name: 'Save' }).click();
  return credentials(page);
}

/** Step 3: what the tab "General" shows. */
export async function credentials(page) {
  await page.getByRole('heading', { name: 'Client Credentials' }).waitFor();
  await page.locator('summary').filter({ hasText: 'Show' }).first().click();
  const text = await page.locator('main').innerText();
  const clientId = /0oa[A-Za-z0-9]+/.exec(text)[0];
  const clientSecret = /\b[A-Za-z0-9]{64}\b/.exec(text)[0];
  assert.match(clientId, /^0oa/);
  assert.ok(clientSecret.length >= 40);
  return { clientId, clientSecret };
}

/** Step 4: the groups claim, on the tab "Sign On". */
export async function setGroupsClaim(page) {
  await page.getByRole('link', { name: 'Sign On' }).click();
  const legacy = page.getByText('Show legacy configuration');
  if (await legacy.isVisible()) await legacy.click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByLabel('Groups claim type').selectOption({ label: 'Filter' });
  await page.getByLabel('Name of the groups claim').fill('groups');
  await page.getByLabel('Condition').selectOption({ label: 'Matches regex' });
  await page.getByLabel('Value of the filter').fill('.*');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('.*').first().waitFor();
}

/** The page of an app integration, with the tab "General": its address. */
export async function appPage(page, name) {
  await page.getByRole('navigation').getByRole('link', { name: 'Applications', exact: true }).click();
  await page.getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { name: 'Client Credentials' }).waitFor();
  return page.url();
}

/** Generates another client secret, on the tab "General". */
export async function generateSecret(page) {
  await page.getByRole('button', { name: 'Generate new secret' }).click();
  await page.getByRole('button', { name: 'Deactivate client secret 2' }).waitFor();
  await page.locator('.secrets summary').nth(1).click();
  return (await page.locator('#client-secret-2').textContent()).trim();
}

/** Deactivates one of the client secrets; they are counted from 1. */
export async function deactivateSecret(page, number) {
  await page.getByRole('button', { name: `Deactivate client secret ${number}` }).click();
  await page.getByText('Inactive', { exact: true }).waitFor();
}

/** Deletes the client secret that was deactivated. */
export async function deleteSecret(page) {
  await page.getByRole('button', { name: /^Delete client secret/ }).click();
  await page.getByText('Inactive', { exact: true }).waitFor({ state: 'detached' });
}

/** Adds a sign-in redirect URI, under "General Settings" of the tab "General". */
export async function addRedirectUri(page, uri) {
  await page.getByRole('link', { name: 'Edit general settings' }).click();
  await page.getByRole('textbox', { name: /Sign-in redirect URI/ }).last().fill(uri);
  await page.getByRole('button', { name: 'Save' }).last().click();
  await page.getByText(uri, { exact: true }).waitFor();
}

/** Assigns the app integration to a group, on the tab "Assignments". */
export async function assignGroup(page, group) {
  await page.getByRole('link', { name: 'Assignments', exact: true }).click();
  await page.locator('summary', { hasText: 'Assign' }).click();
  await page.getByRole('link', { name: 'Assign to Groups' }).click();
  await page.getByRole('button', { name: `Assign ${group}`, exact: true }).click();
  await page.getByText('Assigned', { exact: true }).last().waitFor();
}
