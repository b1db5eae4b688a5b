// Every page of the dashboard and of the setup portal, over an installation in which whatever can be
// hostile is: foreign text is text, nothing else is asked or run, and every page is a sound one.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { fits, good } from './checks.mjs';
import { crawl, routeOf, unseen } from './crawl.mjs';
import { device } from './device.mjs';
import { AGENT, WRONG_METADATA, askWrongly, furnish, signInEachWay } from './furnish.mjs';
import { api, control, demo, elsewhere, send, test, url } from './harness.mjs';
import { MARK, MARKUP, SHORT, hostileIdp, inert } from './hostile.mjs';

const idp = await hostileIdp();
after(idp.close);
elsewhere.push(idp.origin);
const connection = await furnish(idp);

const ADMIN = 'olga@staff.example';
const PASSWORD = 'a quiet front room';
const ours = `/dashboard/${demo.environment_id}`;
const bad = `${ours}/connections/${connection.id}`;
/** A link into the setup portal. */
let setupLink;
/** The paths that were looked at, of both faces. */
const seen = [];
/** What is hostile, as it stands in a page. */
const HARM = new RegExp(`${MARK}|onerror=alert\\(4\\)`);
/** The paths on which it stood. */
const hostile = new Set();

/** Is a page on which all foreign text is text, however much there is of it. */
async function harmless(page) {
  await inert(page);
  await fits(page);
  const { pathname } = new URL(page.url());
  if (HARM.test(await page.locator('main').innerHTML())) hostile.add(pathname);
  seen.push(pathname);
}

/** Is that, and a sound page in all else. */
async function sound(page) {
  await harmless(page);
  await good(page);
}

/** The routes that were looked at closely, each in each environment. */
const closely = new Set();

/** Is a sound page, if it is the first of its route; the others are made of the same template. */
async function look(page, routes) {
  const { pathname } = new URL(page.url());
  const kind = `${routeOf(routes, pathname)} ${pathname.split('/')[2]}`;
  const isFirst = !closely.has(kind);
  closely.add(kind);
  await (isFirst ? sound : harmless)(page);
}

const pathOf = (link) => link.slice(new URL(link).origin.length);

/** Sends a form, and opens everything on the page that comes of it. */
async function ask(page, button) {
  await send(page, button);
  await page.locator('details').evaluateAll((all) => all.forEach((one) => (one.open = true)));
  await inert(page);
}

/** Opens a page that must be there, and looks at it. */
async function visit(page, path, is = sound) {
  const answer = await page.goto(url(path));
  assert.equal(answer.status(), 200, path);
  assert.equal(new URL(page.url()).pathname, path.split('?')[0]);
  await is(page);
}

/** A session that is signed in, for the visitors to come. */
async function keep(page, as) {
  const cookies = await page.context().cookies();
  demo.sessions = { ...demo.sessions, [as]: cookies.find(({ name }) => name.endsWith('administrator')).value };
}

test('dsh_05 the first administrator and another one get in', async (visitor) => {
  const page = await visitor({ agent: AGENT });
  await visit(page, pathOf(demo.dashboard_url));
  await page.getByLabel('Your name').fill(MARKUP.slice(0, 100));
  await page.getByLabel('E-mail address').fill(ADMIN);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('The same password again').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create the first administrator' }).click();
  await page.waitForURL(/overview/);
  await keep(page, 'admin');

  await page.goto(url('/dashboard/team'));
  await page.getByLabel('E-mail address').fill('second@staff.example');
  await page.getByRole('button', { name: 'Create invitation link' }).click();
  const link = (await page.locator('#invitation').textContent()).trim();
  const other = await visitor({ agent: AGENT });
  await visit(other, pathOf(link));
  await other.getByLabel('Your name').fill(MARKUP.slice(0, 100));
  await other.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await other.getByLabel('The same password again').fill(PASSWORD);
  await other.getByRole('button', { name: 'Join' }).click();
  await other.waitForURL(/overview/);
  const recovery = await control('POST', '/recovery/second@staff.example');
  await visit(other, pathOf(recovery));
  await visit(other, '/dashboard/sign-in');
});

test('dsh_05 hostile people sign in, and hostile metadata are examined', async (visitor) => {
  const page = await visitor({ as: 'admin', agent: AGENT, expected: [/422/] });
  await page.goto(url(`${ours}/branding`));
  await page.getByLabel('Name').fill(MARKUP.slice(0, 100));
  await send(page, 'Save branding');
  await device(page);
  await page.goto(url('/dashboard/account/passkeys/new'));
  await page.getByLabel('Name').fill(MARKUP.slice(0, 100));
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.waitForURL(/\/account\?notice=/);
  await page.goto(url(`${ours}/organizations/${demo.organization_id}/setup-links`));
  await page.getByLabel('Single Sign-On').check();
  await page.getByLabel('Domain verification').check();
  await page.getByLabel('E-mail address').fill("o'onclick='alert@hostile.example");
  await send(page, 'Create setup link');
  setupLink = (await page.locator('#new-link').textContent()).trim();
  await askWrongly(connection.id);
  const person = await visitor({ agent: AGENT });
  await signInEachWay(idp, async () => {
    await person.context().clearCookies();
    await person.goto(new URL('/login', demo.application_url).href);
    const go = person.getByRole('button', { name: 'Continue' });
    if (await go.isVisible()) {
      await inert(person);
      await go.click();
    }
    await inert(person);
  });
  await signInEachWay(idp, async () => {
    await page.goto(url(`${bad}/test`));
    await page.getByRole('button', { name: 'Test sign-in' }).click();
    await page.waitForURL(/\/test\/sess_/);
    await inert(page);
  });
  for (const metadata of Object.values(WRONG_METADATA)) {
    idp.metadata = metadata;
    await page.goto(url(`${bad}/doctor`));
    await ask(page, 'Examine the connection');
    await page.getByRole('heading', { name: 'Report' }).waitFor();
    if (metadata.issuer) await sound(page);
    // What is wrong with the metadata is told where they are entered, too.
    await page.goto(url(bad));
    await ask(page, 'Save Configuration');
  }
  idp.metadata = {};
  await control('POST', '/deliveries');
  await page.goto(url(`${ours}/webhooks`));
  await page.locator('a.title', { hasText: idp.origin }).click();
  await page.getByRole('heading', { name: 'Deliveries' }).waitFor();
  await ask(page, 'Send test event');
  await page.locator('#answer', { hasText: SHORT }).waitFor();
  await sound(page);
});

test('dsh_05 dsh_08 every page of the dashboard is sound, whatever stands on it', async (visitor) => {
  // An environment with nothing in it: what its pages say to that is looked at as well.
  const page = await visitor({ as: 'admin', agent: AGENT });
  await page.goto(url('/dashboard/environments'));
  await page.getByLabel('Name').fill(SHORT);
  await page.getByRole('button', { name: /Create/ }).click();
  await page.waitForURL(/environment_|notice=/);
  const { problems } = await crawl(page, url('/dashboard'), demo.pages.dashboard, async (answer) => {
    assert.equal(answer.status(), 200);
    await look(page, demo.pages.dashboard);
  });
  assert.deepEqual(problems, []);
  // Each way in which a login ended, each kind of event, and what no link led to yet.
  const { data: sessions } = await api('GET', '/sso_sessions?limit=100');
  const ways = new Map(sessions.map((it) => [`${it.status} ${it.error?.code}`, it]));
  assert.ok(ways.size > 8, [...ways.keys()].join());
  for (const { id } of ways.values()) await visit(page, `${ours}/sessions/${id}`, harmless);
  await page.goto(url(`${ours}/events`));
  const events = await page.locator('a.title').evaluateAll((links) =>
    links.map((link) => [link.textContent.trim(), link.getAttribute('href')]),
  );
  for (const path of new Map(events).values()) await visit(page, path, harmless);
  for (const place of [bad, `${ours}/api-keys`, `${ours}/redirects`]) {
    await page.goto(url(place));
    const asks = await page.locator('main a[data-dialog]').evaluateAll((links) =>
      links.map((link) => link.getAttribute('href')),
    );
    for (const path of asks) await visit(page, path, harmless);
  }
  const test = sessions.find(({ status }) => status === 'test_successful');
  await visit(page, `${bad}/test/${test.id}`);
  await visit(page, '/dashboard/account/confirm?next=/dashboard/account');
  const challenge = await page.request.get(url('/dashboard/passkey-challenge?for=confirm'));
  assert.equal(challenge.status(), 200);
  // Not pages, but ways to one.
  seen.push('/dashboard', '/dashboard/passkey-challenge');
  assert.deepEqual(unseen(demo.pages.dashboard, seen), [], 'pages that nobody looked at');
});

test('prt_08 every page of the setup portal is sound, whatever stands on it', async (visitor) => {
  const guest = await visitor({ agent: AGENT, expected: [/422/] });
  await visit(guest, pathOf(setupLink));
  await guest.getByRole('button', { name: 'Begin' }).click();
  await guest.waitForURL(/\/setup\/home$/);
  const steps = `/setup/connections/${connection.id}/steps`;
  await signInEachWay(idp, async () => {
    await guest.goto(url(`${steps}/test`));
    await guest.getByRole('button', { name: /^Test/ }).click();
    await guest.waitForURL(/\?test=/);
    await inert(guest);
  });
  await sound(guest);
  await guest.getByRole('button', { name: 'Test again' }).click();
  await guest.waitForURL(/\?test=/);
  for (const metadata of Object.values(WRONG_METADATA)) {
    idp.metadata = metadata;
    await guest.goto(url(`${steps}/details`));
    await ask(guest, 'Save Configuration');
  }
  idp.metadata = {};
  await guest.goto(url('/setup/domains'));
  await ask(guest, 'Check now');
  const { problems } = await crawl(guest, url('/setup/home'), demo.pages.portal, async (answer) => {
    assert.equal(answer.status(), 200);
    await sound(guest);
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(unseen(demo.pages.portal, seen), [], 'pages that nobody looked at');

  await guest.goto(url(`${steps}/groups`));
  await guest.getByRole('button', { name: 'Hand this step to a colleague' }).click();
  const handedOver = (await guest.locator('#handed-over').textContent()).trim();
  const colleague = await visitor({ agent: AGENT, size: 'phone' });
  await colleague.goto(handedOver);
  await colleague.getByRole('button', { name: 'Begin' }).click();
  await colleague.waitForURL(/steps\/groups$/);
  await sound(colleague);
});

test('dsh_05 what is hostile was really shown', () => {
  const all = [...demo.pages.dashboard, ...demo.pages.portal];
  const shown = new Set([...hostile].map((path) => routeOf(all, path)));
  const dashboard = [
    'account',
    'audit',
    'environments',
    'team',
    'team/{id}/remove',
    'team/{id}/role',
    ...[
      'api-keys',
      'branding',
      'connections/{connection_id}',
      'connections/{connection_id}/advanced',
      'connections/{connection_id}/attributes',
      'connections/{connection_id}/delete',
      'connections/{connection_id}/doctor',
      'connections/{connection_id}/groups/{group_id}',
      'connections/{connection_id}/groups/{group_id}/remove',
      'connections/{connection_id}/rename',
      'connections/{connection_id}/sessions',
      'connections/{connection_id}/test/{session_id}',
      'events',
      'events/{id}',
      'organizations',
      'organizations/{organization_id}',
      'organizations/{organization_id}/connections/new',
      'organizations/{organization_id}/delete',
      'organizations/{organization_id}/settings',
      'organizations/{organization_id}/setup-links',
      'sessions/{session_id}',
      'settings',
      'webhooks',
      'webhooks/{id}',
      'webhooks/{id}/delete',
      'webhooks/{id}/disable',
      'webhooks/{id}/edit',
      'webhooks/{id}/rotate',
    ].map((path) => `{environment_id}/${path}`),
  ];
  const portal = ['', '/connections/{connection_id}', '/connections/{connection_id}/steps/{step}', '/home'];
  const expected = [
    ...dashboard.map((path) => `/dashboard/${path}`),
    ...portal.map((path) => `/setup${path}`),
  ];
  assert.deepEqual(expected.filter((route) => !shown.has(route)), [], 'nothing hostile was there');
});
