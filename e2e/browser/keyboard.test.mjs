// The guide by keyboard alone: once in the dashboard, once in the setup portal.

import assert from 'node:assert/strict';
import { api, demo, sandbox, test, url } from './harness.mjs';
import { Keyboard } from './keyboard.mjs';

const ADA = { email: 'ada@acme.example', password: 'ada-in-the-sandbox' };
const GROUPS = { name: 'groups', filter: { kind: 'REGEX', value: '.*' } };

/** The app integration in the tenant that the guide leads to, made without its pages. */
async function app(redirectUri) {
  const made = await sandbox('POST', 'apps', {
    name: 'By keyboard',
    redirect_uris: [redirectUri],
    groups: ['Administrators', 'Engineering'],
  });
  await sandbox('PUT', `apps/${made.client_id}/groups-claim`, GROUPS);
  return { clientId: made.client_id, clientSecret: made.client_secret };
}

/** Signs in at the tenant's page; the first field has the focus when it opens. */
async function signIn(page) {
  await page.locator('#username:focus').waitFor();
  await page.keyboard.type(ADA.email);
  await page.keyboard.press('Tab');
  await page.keyboard.type(ADA.password);
  await page.keyboard.press('Enter');
}

/** Copies a value with its button, and reads it where it was copied to. */
async function copied(page, keys, name) {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await keys.press(page.getByRole('button', { name }), 'Space');
  await page.getByText('Copied', { exact: true }).first().waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

test('an operator goes through the guide with the keyboard alone', async (visitor) => {
  const page = await visitor({ as: 'admin' });
  const keys = new Keyboard(page);
  await page.goto(url('/dashboard'));
  await keys.press(page.getByRole('link', { name: 'Organizations', exact: true }));
  await page.waitForURL(/\/organizations$/);
  await keys.skip();
  await keys.press(page.getByRole('link', { name: 'Create organization' }).first());
  await page.waitForURL(/\/organizations\/new$/);
  await keys.type(page.getByLabel('Name', { exact: true }), 'Globex');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/organizations\/org_/);
  const organization = /org_[0-9A-Z]{26}/.exec(page.url())[0];
  await api('PUT', `/organizations/${organization}`, { allow_profiles_outside_organization: true });

  await keys.skip();
  await keys.press(page.getByRole('link', { name: 'Configure manually' }));
  await page.waitForURL(/connections\/new$/);
  await keys.choose(page.getByLabel('Identity provider'), 'OktaOIDC');
  await keys.type(page.getByLabel('Name', { exact: true }), 'Globex Okta');
  await keys.press(page.getByRole('button', { name: 'Create Connection' }));
  await page.waitForURL(/connections\/conn_/);
  const connection = new URL(page.url()).pathname;

  await keys.skip();
  const redirectUri = await copied(page, keys, 'Copy the redirect URI');
  assert.match(redirectUri, /\/sso\/oidc\/.+\/callback$/);
  const { clientId, clientSecret } = await app(redirectUri);
  await keys.type(page.getByLabel('Client ID'), clientId);
  await keys.type(page.getByLabel('Client Secret'), clientSecret);
  await keys.type(page.getByLabel('Discovery Endpoint'), demo.sandbox.issuer);
  await page.keyboard.press('Enter');
  await page.getByText('Your changes are saved.').waitFor();

  // The dialog keeps the focus inside, Escape leaves it, and one is back where one was.
  const opener = page.getByRole('link', { name: 'Create group' });
  await keys.press(opener);
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await keys.to(dialog.getByRole('link', { name: 'Cancel' }));
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.ok(await opener.evaluate((element) => element === document.activeElement));
  await page.keyboard.press('Enter');
  await keys.type(dialog.getByLabel('IdP Group ID'), 'Administrators');
  await keys.choose(dialog.getByLabel('Role'), 'admin');
  await keys.press(dialog.getByRole('button', { name: 'Create group' }), 'Space');
  await page.getByRole('cell', { name: 'Administrators' }).first().waitFor();

  await page.goto(url(connection));
  await keys.skip();
  await keys.press(page.getByRole('link', { name: 'Doctor' }));
  await page.waitForURL(/\/doctor$/);
  await keys.skip();
  await keys.press(page.getByRole('button', { name: 'Examine the connection' }));
  await page.getByText('All is well').waitFor();
  await keys.press(page.locator('summary', { hasText: 'All checks' }), 'Space');
  await page.getByText('Client secret is right').first().waitFor();
  await page.goto(url(`${connection}/test`));
  await keys.skip();
  await keys.press(page.getByRole('button', { name: 'Test sign-in' }));
  await signIn(page);
  await page.getByText('The test succeeded.').waitFor();
  await page.getByText('A login would give').getByText('admin').waitFor();
});

test('an it administrator goes through the setup portal with the keyboard alone', async (visitor) => {
  const { id } = await api('POST', '/organizations', {
    name: 'Initech',
    allow_profiles_outside_organization: true,
  });
  const { link } = await api('POST', '/portal/generate_link', { organization: id });
  const page = await visitor();
  const keys = new Keyboard(page);
  const step = (name) => page.waitForURL(new RegExp(`/steps/${name}`));
  await page.goto(link);
  await keys.press(page.getByRole('button', { name: 'Begin' }));
  await page.waitForURL(/\/setup\/home$/);
  await keys.skip();
  await keys.press(page.getByRole('button', { name: 'Okta', exact: true }));
  await step('create');
  await keys.press(page.getByRole('button', { name: 'I have done this' }), 'Space');
  await step('configure');
  await keys.skip();
  const redirectUri = await copied(page, keys, 'Copy the redirect URI');
  const { clientId, clientSecret } = await app(redirectUri);
  await keys.press(page.getByRole('button', { name: 'I have done this' }));
  await step('details');
  await keys.skip();
  await keys.type(page.getByLabel('Client ID'), clientId);
  await keys.type(page.getByLabel('Client Secret'), clientSecret);
  await keys.type(page.getByLabel('Discovery Endpoint'), demo.sandbox.issuer);
  await keys.press(page.getByRole('button', { name: 'Save Configuration' }));
  await page.getByText('All is well').waitFor();
  await keys.press(page.getByRole('link', { name: /^Next: Test/ }));
  await step('test');
  await keys.press(page.getByRole('button', { name: 'Test sign-in' }));
  await signIn(page);
  await page.getByText('a test sign-in succeeded').waitFor();
  await keys.press(page.getByRole('link', { name: /^Next: Send groups/ }));
  await page.getByText('groups were received in the last test').waitFor();
  await keys.press(page.getByRole('link', { name: /^Next: Assign roles/ }));
  await step('roles');
  await keys.skip();
  await keys.type(page.getByLabel('IdP Group ID'), 'Administrators');
  await keys.choose(page.getByLabel('Role', { exact: true }), 'admin');
  await keys.press(page.getByRole('button', { name: 'Create group' }));
  await page.getByRole('cell', { name: 'Administrators' }).first().waitFor();
  await keys.press(page.getByRole('link', { name: /going live/ }).last());
  await page.waitForURL(/connections\/conn_\w+$/);
  await keys.press(page.getByRole('button', { name: 'Go live' }));
  await page.getByText('Single sign-on is live.').waitFor();
});
