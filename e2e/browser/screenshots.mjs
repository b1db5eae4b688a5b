// The pictures of docs/screenshots: an installation with some life in it, as its people see it.
// Run by docs/screenshots/make; the argument is the folder.

import { chromium } from 'playwright-core';
import { createApp, openConsole, setGroupsClaim } from './console.mjs';
import { api, demo, sandbox, signIn, url } from './people.mjs';

const folder = process.argv[2];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});

/** Somebody with a browser of their own. */
async function visitor() {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(20_000);
  return context.newPage();
}

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };

/** Keeps what a page looks like: light on a desktop, and as the views say (`dark`, `phone`). */
async function shoot(page, name, ...views) {
  for (const view of ['light', ...views]) {
    await page.emulateMedia({ colorScheme: view === 'dark' ? 'dark' : 'light' });
    await page.setViewportSize(view === 'phone' ? SIZES.phone : SIZES.desktop);
    const path = `${folder}/${name}${view === 'light' ? '' : `-${view}`}.png`;
    await page.screenshot({ path, animations: 'disabled' });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(SIZES.desktop);
}

/** A login through a connection, to wherever it ends. */
async function login(person, connection, state) {
  const page = await visitor();
  const authorize = new URL('/sso/authorize', demo.base_url);
  authorize.search = new URLSearchParams({
    client_id: demo.client_id,
    redirect_uri: demo.redirect_uri,
    response_type: 'code',
    connection,
    state,
  });
  await page.goto(authorize.href);
  await signIn(page, person);
  await page.waitForURL((at) => at.origin !== new URL(demo.sandbox.issuer).origin);
  return page;
}

const [ada, ...others] = demo.sandbox.users;

// The first administrator.
const page = await visitor();
await page.goto(demo.dashboard_url);
await page.getByLabel('Your name').fill('Olga Operator');
await page.getByLabel('E-mail address').fill('olga@vendor.example');
await page.getByLabel('Password', { exact: true }).fill('a quiet front room');
await page.getByLabel('The same password again').fill('a quiet front room');
await shoot(page, 'first-start');
await page.getByRole('button', { name: 'Create the first administrator' }).click();
await page.waitForURL(/overview/);
const environment = /\/dashboard\/(environment_[^/]+)/.exec(page.url())[1];
const at = (path) => url(`/dashboard/${environment}${path}`);

// Customers.
const made = {};
for (const name of ['Globex', 'Initech', 'Umbrella Health', 'Stark Robotics', 'Wayne Logistics']) {
  const domain = `${name.split(' ')[0].toLowerCase()}.example`;
  made[name] = await api('POST', '/organizations', {
    name,
    domain_data: [{ domain, state: name === 'Initech' ? 'pending' : 'verified' }],
  });
}

// Sign-ins: good ones, and one that fails for each of two reasons.
for (const person of [ada, ...others, ada, ...others]) {
  const browser = await visitor();
  await browser.goto(demo.application_url);
  await browser.getByRole('link', { name: 'Sign in with SSO' }).click();
  await signIn(browser, person);
  await browser.getByRole('button', { name: 'Sign out' }).waitFor();
  await browser.context().close();
}
const { apps } = await sandbox('GET', 'state');
const app = apps.find(({ redirect_uris }) => redirect_uris.some((it) => it.startsWith(demo.base_url)));
for (const fault of ['token_server_error', 'wrong_nonce']) {
  await sandbox('PUT', `apps/${app.client_id}/faults`, [fault]);
  const failed = await login(ada, demo.connection_id, 'x');
  await failed.context().close();
}
await sandbox('PUT', `apps/${app.client_id}/faults`, []);

// The dashboard.
const connection = `/connections/${demo.connection_id}`;
await page.goto(at('/organizations'));
await shoot(page, 'organizations');
await page.goto(at(`/organizations/${made.Globex.id}`));
await shoot(page, 'organization');
await page.goto(at(connection));
await shoot(page, 'connection', 'dark', 'phone');
await page.goto(at(`${connection}/doctor`));
await page.getByRole('button', { name: 'Examine the connection' }).click();
await page.getByRole('heading', { name: 'Report' }).waitFor();
await page.getByText('All checks').click();
await shoot(page, 'doctor', 'dark');
await page.goto(at(`${connection}/sessions`));
await shoot(page, 'sessions');
await page.goto(at('/sessions?status=failed'));
await page.locator('main tbody a').first().click();
await page.getByRole('heading', { name: 'Trace' }).waitFor();
await shoot(page, 'trace', 'dark', 'phone');
await page.goto(at(`${connection}/test`));
await page.getByRole('button', { name: 'Test sign-in' }).click();
await page.waitForURL((to) => to.origin === new URL(demo.sandbox.issuer).origin);
await signIn(page, ada);
await page.getByText('The test succeeded.').waitFor();
await shoot(page, 'test-sign-in');
for (const name of ['roles', 'events', 'redirects', 'webhooks', 'webhooks/new']) {
  await page.goto(at(`/${name}`));
  await shoot(page, name.replace('/', '-'));
}

// The setup portal, with the tenant's own console beside it.
const { link } = await api('POST', '/portal/generate_link', { organization: made.Initech.id });
const it = await visitor();
await it.goto(link);
await shoot(it, 'portal-begin');
await it.getByRole('button', { name: 'Begin' }).click();
await it.waitForURL(/home$/);
await shoot(it, 'portal-providers');
await it.getByRole('button', { name: 'Okta', exact: true }).click();
await it.waitForURL(/steps\/create$/);
await shoot(it, 'portal-step', 'dark', 'phone');
await it.getByRole('button', { name: 'I have done this' }).click();
await it.waitForURL(/steps\/configure$/);
const redirectUri = (await it.locator('#redirect-uri').innerText()).trim();
const okta = await visitor();
await openConsole(okta);
const groups = ['Administrators', 'Engineering'];
const { clientId, clientSecret } = await createApp(okta, { name: 'Vendor', redirectUri, groups });
await shoot(okta, 'okta-console');
await setGroupsClaim(okta);
await it.getByRole('button', { name: 'I have done this' }).click();
await it.waitForURL(/steps\/details$/);
await it.getByLabel('Client ID').fill(clientId);
await it.getByLabel('Client Secret').fill('not the secret');
await it.getByLabel('Discovery Endpoint').fill(demo.sandbox.issuer);
await it.getByRole('button', { name: 'Save Configuration' }).click();
await it.getByText(/Client secret is right: Failed/).first().waitFor();
await shoot(it, 'portal-secret-wrong');
await it.getByLabel('Client ID').fill(clientId);
await it.getByLabel('Client Secret').fill(clientSecret);
await it.getByLabel('Discovery Endpoint').fill(demo.sandbox.issuer);
await it.getByRole('button', { name: 'Save Configuration' }).click();
await it.getByText('All is well').first().waitFor();
await it.goto(url('/setup/domains'));
await shoot(it, 'portal-domain', 'phone');

// What the person at the login may see.
await page.goto(at('/branding'));
await page.getByLabel(/^Name/).fill('Vendor Workspace');
await page.getByLabel(/colour/i).first().fill('#0f766e');
await page.getByRole('button', { name: 'Save branding' }).click();
await page.waitForURL(/notice=/);
await api('PATCH', '/environment', { settings: { signin_consent: 'always' } });
const asked = await login(ada, demo.connection_id, 'x');
await shoot(asked, 'consent', 'dark');
await asked.goto(url(`/sso/authorize?client_id=${demo.client_id}&redirect_uri=https://evil.example/`));
await shoot(asked, 'error', 'phone');

// Last, when there is something to see.
await page.goto(at('/overview'));
await shoot(page, 'overview', 'dark', 'phone');

await browser.close();
