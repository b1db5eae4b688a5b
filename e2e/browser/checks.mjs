// What a page has to be, whoever looks at it: usable by everybody, narrow enough, light enough.

import assert from 'node:assert/strict';
import axe from 'axe-core';
import { PAGE_WEIGHT_BYTES } from './watch.mjs';

/** The rules of axe for which the theme counts. */
const COLOURS = ['color-contrast', 'link-in-text-block'];

/** Finds nothing serious or critical with axe; `rules`: with these of its rules alone. */
export async function accessible(page, rules = undefined) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const options = { preload: false, resultTypes: ['violations'], runOnly: rules };
  const found = await page.evaluate((options) => window.axe.run(document, options), options);
  const bad = found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => ({
      rule: `${id}: ${help}`,
      places: nodes.slice(0, 5).map(({ html, failureSummary }) => `${html}\n${failureSummary}`),
    }));
  assert.deepEqual(bad, [], `what axe finds on ${page.url()}`);
}

/** Is not wider than the window, so that nobody scrolls sideways. */
export async function fits(page) {
  const wider = await page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const elements = [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > clientWidth + 1)
      .slice(-5)
      .map((element) => element.outerHTML.slice(0, 200));
    return [`${scrollWidth} instead of ${clientWidth} pixels`, ...elements];
  });
  assert.deepEqual(wider, [], `what is wider than the window on ${page.url()}`);
}

/** Loads no more than a page may, itself and what it refers to together. */
export async function light(page) {
  const parts = await page.evaluate(() =>
    ['navigation', 'resource']
      .flatMap((kind) => performance.getEntriesByType(kind))
      .map(({ name, decodedBodySize }) => [name, decodedBodySize]),
  );
  const bytes = parts.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(bytes > 0, `${page.url()} has no weight`);
  assert.ok(bytes <= PAGE_WEIGHT_BYTES, `${page.url()} loads ${bytes} bytes: ${parts.join(' ')}`);
}

/** All of these, in both themes, and once more as a phone shows it. */
export async function good(page) {
  const size = page.viewportSize();
  await page.emulateMedia({ colorScheme: 'dark' });
  await accessible(page);
  await page.emulateMedia({ colorScheme: 'light' });
  await accessible(page, COLOURS);
  await page.setViewportSize({ width: 360, height: 740 });
  await fits(page);
  await page.setViewportSize(size);
  await fits(page);
  await light(page);
}
