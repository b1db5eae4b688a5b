// What a hostile customer's identity provider says is text on every page, and nothing else.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { good } from './checks.mjs';
import { api, demo, elsewhere, test } from './harness.mjs';
import { MARK, MARKUP, hostileIdp, inert } from './hostile.mjs';

const idp = await hostileIdp();
after(idp.close);
elsewhere.push(idp.origin);

// The hostile one takes the place of the demo's own, so that the sample application meets it.
await api('PATCH', `/connections/${demo.connection_id}`, { state: 'inactive' });
await api('PUT', `/organizations/${demo.organization_id}`, {
  name: MARKUP.slice(0, 200),
  external_id: MARKUP.slice(0, 100),
});
const connection = await api('POST', '/connections', {
  organization_id: demo.organization_id,
  connection_type: 'GenericOIDC',
  name: MARKUP.slice(0, 100),
  oidc: {
    client_id: MARKUP,
    client_secret: MARKUP,
    discovery_endpoint: idp.discoveryEndpoint,
  },
  state: 'active',
});
assert.equal(connection.state, 'active');

const login = new URL('/login', demo.application_url).href;

test('dsh_05 the pages of a login show what a hostile identity provider says as text', async (visitor) => {
  await api('PATCH', '/environment', { settings: { signin_consent: 'always' } });
  const page = await visitor();
  await page.goto(login);
  await page.getByRole('heading', { name: 'Continue signing in?' }).waitFor();
  await inert(page);
  await good(page);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Profile as JSON').click();
  assert.ok((await page.content()).includes(MARK));
  await inert(page);
  await good(page);
});

test('dsh_05 dsh_06 a hostile refusal is not shown to the person', async (visitor) => {
  const page = await visitor();
  for (const mode of ['refuse', 'fail']) {
    idp.mode = mode;
    await page.goto(login);
    await page.getByRole('heading', { name: 'You are not signed in' }).waitFor();
    assert.equal((await page.content()).includes(MARK), false);
    await inert(page);
  }
  idp.mode = 'sign in';
});
