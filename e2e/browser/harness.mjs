// What the tests in a real browser stand on: Chromium, visitors, and a watch over all they see.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import nodeTest, { after } from 'node:test';
import { chromium } from 'playwright-core';
import { demo, signIn } from './people.mjs';
import { watch } from './watch.mjs';

export { api, demo, sandbox, signIn as signInAtOkta, url } from './people.mjs';

/** How long a step in the browser may take: two busy cores are slow. */
const PATIENCE_MS = 20_000;

const SIZES = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 360, height: 740 },
};

/** One for all tests of a file; each visitor gets a profile of their own in it. */
export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
after(() => browser.close());

/** The origins that pages of this world come from; nothing may be loaded from another. */
export const origins = [demo.base_url, demo.application_url, demo.sandbox.issuer].map(
  (url) => new URL(url).origin,
);

/** Origins that people are sent to, but that are not ours. */
export const elsewhere = [];

/**
 * A test that does not wait for ever. Its story is given a function that lets a visitor in (see
 * {@link enter}); whatever goes wrong on the pages that one of them sees fails the test, even if
 * the story notices nothing.
 */
export function test(name, story) {
  nodeTest(name, { timeout: 300_000 }, async (t) => {
    const visitors = [];
    const letIn = async (options) => {
      const visitor = await enter(options);
      visitors.push(visitor);
      return visitor.page;
    };
    try {
      await story(letIn, t);
      assert.deepEqual(
        visitors.flatMap(({ problems }) => problems),
        [],
        'what went wrong on the pages',
      );
    } catch (error) {
      await Promise.all(visitors.map(({ page }, n) => picture(page, `${t.name} ${n}`)));
      throw error;
    } finally {
      await Promise.all(visitors.map(({ context }) => context.close()));
    }
  });
}

/**
 * Somebody with a browser of their own: no cookies, nothing remembered.
 *
 * `size`: `desktop` or `phone`; `theme`: `light` or `dark`; `script`: whether scripts run;
 * `as`: the role of an administrator who is signed in already; `agent`: what the browser calls
 * itself; `expected`: patterns of problems that this story causes on purpose.
 */
async function enter({
  size = 'desktop',
  theme = 'light',
  script = true,
  as = undefined,
  agent = undefined,
  expected = [],
} = {}) {
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme: theme,
    hasTouch: size === 'phone',
    javaScriptEnabled: script,
    userAgent: agent,
    reducedMotion: 'reduce',
    locale: 'en-GB',
    timezoneId: 'UTC',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  if (as) {
    const value = demo.sessions[as];
    await context.addCookies([{ name: 'vestibule-administrator', value, url: demo.base_url }]);
  }
  const problems = [];
  await watch(context, { origins, elsewhere }, (problem) => {
    if (!expected.some((pattern) => pattern.test(problem))) problems.push(problem);
  });
  const page = await context.newPage();
  return { context, page, problems };
}

/** Keeps what a page looked like when its test failed, where whoever runs the tests asks for it. */
async function picture(page, name) {
  const folder = process.env.FAILURE_PICTURES;
  if (!folder || page.isClosed()) return;
  mkdirSync(folder, { recursive: true });
  const path = `${folder}/${name.replace(/[^a-z0-9]+/gi, '-').slice(0, 100)}.png`;
  await page.screenshot({ path, fullPage: true }).catch(() => {});
}

/** A call of the test's own controls, where it has some (`tests/e2e/controls.rs`): what it answers. */
export async function control(method, path, body) {
  const answer = await fetch(new URL(path, demo.control), { method, body });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${method} ${path}: ${text}`);
  return text;
}

/** Moves the clock of the service and of the tenant. */
export async function wait({ minutes = 0, days = 0 }) {
  await control('POST', `/advance/${(days * 24 * 60 + minutes) * 60_000}`);
}

/** Opens a link as a mail scanner does before anybody reads the mail: no cookies, no scripts. */
export async function scan(link) {
  for (const method of ['HEAD', 'GET', 'GET']) {
    const answer = await fetch(link, {
      method,
      redirect: 'follow',
      headers: { 'user-agent': 'Mozilla/5.0 (compatible; LinkScanner/1.0)' },
    });
    await answer.text();
  }
}

/** Signs in at the tenant if it asks (its session may still be there), and waits to be back. */
export async function signInIfAsked(page, back, person = demo.sandbox.users[0]) {
  const isBack = typeof back === 'function' ? back : (at) => back.test(at.href);
  await page.waitForURL((at) => isBack(at) || at.origin === demo.sandbox.issuer);
  if (!isBack(new URL(page.url()))) {
    await page.waitForLoadState();
    if (await page.getByLabel('Username').count()) await signIn(page, person);
  }
  await page.waitForURL(isBack);
}

/**
 * Presses a button and waits until its form is answered and the answer is shown. Returns the status.
 */
export async function send(page, button) {
  const loaded = page.waitForEvent('load').catch(() => {});
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'),
    page.getByRole('button', { name: button }).click(),
  ]);
  if (answer.status() === 303) await loaded;
  else await page.locator('form[aria-busy]').waitFor({ state: 'detached' });
  return answer.status();
}
