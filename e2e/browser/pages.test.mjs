// Every page of the dashboard, looked at one after the other.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { crawl, routes, unseen } from './crawl.mjs';
import { api, demo, test, url } from './harness.mjs';

// Pages that forms, links of mails and scripts lead to; `entrance.test.mjs` looks at them.
const BESIDE = [
  '/dashboard/account/confirm',
  '/dashboard/account/passkeys/new',
  '/dashboard/account/passkeys/{id}/remove',
  '/dashboard/first-run',
  '/dashboard/invitation',
  '/dashboard/passkey-challenge',
  '/dashboard/recovery',
  '/dashboard/sign-in',
];

test('dsh_08 every page of the dashboard is sound', async (visitor) => {
  // Something to look at where a new environment has nothing.
  await api('POST', '/authorization/permissions', { slug: 'reports:read', name: 'Read reports' });
  const query = new URLSearchParams({
    client_id: demo.client_id,
    redirect_uri: demo.redirect_uri,
    response_type: 'code',
    connection: demo.connection_id,
  });
  await fetch(url(`/sso/authorize?${query}`), { redirect: 'manual' });
  const page = await visitor({ as: 'admin' });
  const { visited, problems } = await crawl(page, url('/dashboard'), '/dashboard', async (_, answer) => {
    // Pages that the navigation names already, and that are still to come.
    if (answer.status() === 404) return;
    assert.equal(answer.status(), 200);
    await good(page);
  });
  assert.deepEqual(problems, []);
  const linked = routes('dashboard', '/dashboard').filter((route) => !BESIDE.includes(route));
  assert.deepEqual(unseen(linked, visited), [], 'pages that no link leads to');
});
