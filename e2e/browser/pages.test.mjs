// Every page of the dashboard, looked at one after the other.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { crawl, routes, unseen } from './crawl.mjs';
import { test, url } from './harness.mjs';

test('dsh_08 every page of the dashboard is sound', async (visitor) => {
  const page = await visitor({ as: 'admin' });
  const { visited, problems } = await crawl(page, url('/dashboard'), '/dashboard', async (_, answer) => {
    // Pages that the navigation names already, and that are still to come.
    if (answer.status() === 404) return;
    assert.equal(answer.status(), 200);
    await good(page);
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(unseen(routes('dashboard', '/dashboard'), visited), [], 'pages that no link leads to');
});
