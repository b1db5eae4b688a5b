// Every page of the dashboard, looked at one after the other.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { crawl, routes, unseen } from './crawl.mjs';
import { test, url } from './harness.mjs';

/** Routes that answer to GET with something that is no page, or that no link leads to. */
const NO_PAGE = ['/dashboard/{*rest}'];

test('dsh_08 every page of the dashboard is sound', async (visitor) => {
  const page = await visitor({ as: 'admin' });
  const { visited, problems } = await crawl(page, url('/dashboard'), '/dashboard', async (_, answer) => {
    assert.equal(answer.status(), 200);
    await good(page);
  });
  assert.deepEqual(problems, []);
  const pages = routes('dashboard').filter((route) => !NO_PAGE.includes(route));
  assert.deepEqual(unseen(pages, visited), [], 'pages that no link leads to');
});
