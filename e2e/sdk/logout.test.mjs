// Logging out. The SDK for Node.js has no method for it, but sends what it is told to, and reads the
// errors.

import assert from 'node:assert/strict';
import { Browser, client, demo, refused, test } from './world.mjs';

const workos = client();

async function signedIn() {
  const browser = new Browser();
  const url = workos.sso.getAuthorizationUrl({
    clientId: demo.client_id,
    redirectUri: demo.redirect_uri,
    connection: demo.connection_id,
  });
  const code = (await browser.signIn(url)).get('code');
  const granted = await workos.sso.getProfileAndToken({ code, clientId: demo.client_id });
  return { browser, ...granted };
}

const authorize = (body, options) => client(options).post('/sso/logout/authorize', body);

test('a person is logged out, at the identity provider as well, and comes back', async () => {
  const { browser, accessToken, profile } = await signedIn();
  const { data } = await authorize({ profile_id: profile.id });
  assert.equal(data.logout_url, `${demo.base_url}/sso/logout?token=${data.logout_token}`);

  let url = data.logout_url;
  const hosts = [];
  while (!url.startsWith(demo.application_url)) {
    const answer = await browser.open(url);
    assert.equal(answer.status, 302, await answer.text());
    hosts.push(new URL(url).origin);
    url = answer.headers.get('location');
  }
  const { origin } = new URL(demo.sandbox.issuer);
  assert.deepEqual(hosts, [demo.base_url, origin, demo.base_url]);
  await refused(workos.sso.getProfile({ accessToken }), 'UnauthorizedException');
  assert.equal((await browser.open(data.logout_url)).status, 403);

  // The SDK does not know the event, which is not WorkOS's, so it is read as it comes.
  const { data: list } = await workos.get('/events', { query: { events: 'profile.logged_out' } });
  assert.ok(list.data.some((event) => event.data.profile_id === profile.id));
});

test('the SDK reads why nobody is logged out', async () => {
  const { profile } = await signedIn();
  const profile_id = profile.id;
  await refused(authorize({ profile_id: 'prof_01HXYZ123456789ABCDEFGHJKM' }), 'NotFoundException');
  await refused(authorize({}), 'OauthException', { error: 'invalid_request' });
  await refused(authorize({ profile_id }, { apiKey: 'sk_wrong' }), 'OauthException', {
    error: 'unauthorized_client',
    errorDescription: 'Unauthorized',
  });
});
