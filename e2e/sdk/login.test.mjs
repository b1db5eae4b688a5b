import assert from 'node:assert/strict';
import { Browser, client, demo, refused, test } from './world.mjs';

const workos = client();
const byConnection = {
  clientId: demo.client_id,
  redirectUri: demo.redirect_uri,
  connection: demo.connection_id,
};

/** A code for the first person of the sandbox. */
async function code(options = byConnection) {
  const params = await new Browser().signIn(workos.sso.getAuthorizationUrl(options));
  assert.equal(params.get('error'), null);
  return params.get('code');
}

test('a person signs in and the application gets the profile', async () => {
  const state = JSON.stringify({ to: '/a b?c=d&e=%20#ä' });
  const url = workos.sso.getAuthorizationUrl({ ...byConnection, state });
  const params = await new Browser().signIn(url);
  assert.equal(params.get('state'), state);

  const { accessToken, profile, oauthTokens } = await workos.sso.getProfileAndToken({
    code: params.get('code'),
    clientId: demo.client_id,
  });
  assert.equal(oauthTokens, undefined);
  assert.match(profile.id, /^prof_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(profile.organizationId, demo.organization_id);
  assert.equal(profile.connectionId, demo.connection_id);
  assert.equal(profile.connectionType, 'OktaOIDC');
  assert.equal(profile.email, 'ada@acme.example');
  assert.equal(profile.firstName, 'Ada');
  assert.equal(profile.lastName, 'Lovelace');
  assert.equal(profile.name, 'Ada Lovelace');
  assert.match(profile.idpId, /^00u/);
  assert.deepEqual(profile.role, { slug: 'admin' });
  assert.deepEqual(profile.groups, ['Administrators', 'Engineering']);
  assert.equal(typeof profile.rawAttributes, 'object');

  assert.deepEqual(await workos.sso.getProfile({ accessToken }), profile);
});

test('everybody of the sandbox signs in by the organization, and stays the same profile', async () => {
  const byOrganization = {
    clientId: demo.client_id,
    redirectUri: demo.redirect_uri,
    organization: demo.organization_id,
  };
  for (const person of demo.sandbox.users) {
    const ids = new Set();
    for (let round = 0; round < 2; round += 1) {
      const url = workos.sso.getAuthorizationUrl({ ...byOrganization, loginHint: person.email });
      const params = await new Browser().signIn(url, person);
      const { profile } = await workos.sso.getProfileAndToken({
        code: params.get('code'),
        clientId: demo.client_id,
      });
      assert.equal(profile.email, person.email);
      assert.deepEqual(profile.groups, person.groups);
      ids.add(profile.id);
    }
    assert.equal(ids.size, 1);
  }
});

test('the login hint is on the sign-in page of the identity provider', async () => {
  const browser = new Browser();
  const url = workos.sso.getAuthorizationUrl({ ...byConnection, loginHint: 'grace@acme.example' });
  const departed = await browser.open(url);
  const page = await (await browser.open(departed.headers.get('location'))).text();
  assert.match(page, /value="grace@acme\.example"/);
});

test('a login with PKCE needs the verifier that it began with', async () => {
  const { url, state, codeVerifier } = await workos.sso.getAuthorizationUrlWithPKCE(byConnection);
  const params = await new Browser().signIn(url);
  assert.equal(params.get('state'), state);
  const { profile } = await workos.sso.getProfileAndToken({
    code: params.get('code'),
    clientId: demo.client_id,
    codeVerifier,
  });
  assert.equal(profile.email, 'ada@acme.example');

  for (const wrong of [undefined, workos.pkce.generateCodeVerifier()]) {
    const other = await workos.sso.getAuthorizationUrlWithPKCE(byConnection);
    const code = (await new Browser().signIn(other.url)).get('code');
    const redeem = (codeVerifier) =>
      workos.sso.getProfileAndToken({ code, clientId: demo.client_id, codeVerifier });
    await refused(redeem(wrong), 'OauthException', { status: 400, error: 'invalid_grant' });
    // The right one comes too late.
    await refused(redeem(other.codeVerifier), 'OauthException', { error: 'invalid_grant' });
  }
});

test('a client without a secret signs in by PKCE where its environment lets it', async () => {
  const app = client({});
  const login = async () => {
    const { url, codeVerifier } = await app.sso.getAuthorizationUrlWithPKCE(byConnection);
    const code = (await new Browser().signIn(url)).get('code');
    return app.sso.getProfileAndToken({ code, clientId: demo.client_id, codeVerifier });
  };
  await refused(login(), 'OauthException', { status: 400, error: 'invalid_client' });
  await workos.patch('/environment', { settings: { public_client: true } });
  const { profile } = await login();
  assert.equal(profile.email, 'ada@acme.example');
  await workos.patch('/environment', { settings: { public_client: false } });
});

test('a code is good once', async () => {
  const spent = { code: await code(), clientId: demo.client_id };
  const { accessToken } = await workos.sso.getProfileAndToken(spent);
  await refused(workos.sso.getProfileAndToken(spent), 'OauthException', {
    status: 400,
    error: 'invalid_grant',
    errorDescription: 'The code has expired or has already been used.',
    message:
      'Error: invalid_grant\nError Description: The code has expired or has already been used.',
  });
  // What a code gave that came twice is taken back (RFC 6749 section 4.1.2).
  await refused(workos.sso.getProfile({ accessToken }), 'UnauthorizedException');
});

test('a wrong client gets no profile and does not spend the code', async () => {
  const good = { code: await code(), clientId: demo.client_id };
  const message = 'Error: invalid_client\nError Description: Invalid client ID or secret.';
  const stranger = client({ apiKey: 'sk_test_nobody' });
  for (const redeem of [
    () => stranger.sso.getProfileAndToken(good),
    () => workos.sso.getProfileAndToken({ ...good, clientId: 'client_nobody' }),
  ]) {
    await refused(redeem(), 'OauthException', { status: 400, error: 'invalid_client', message });
  }
  const { profile } = await workos.sso.getProfileAndToken(good);
  assert.equal(profile.email, 'ada@acme.example');
});

test('no token, a wrong one and an API key give no profile', async () => {
  for (const accessToken of [undefined, 'nothing', demo.api_key]) {
    await refused(workos.sso.getProfile({ accessToken }), 'UnauthorizedException', { status: 401 });
  }
});

test('an unknown connection and an unknown organization send the browser back with an error', async () => {
  const { connection, ...rest } = byConnection;
  for (const [selector, error] of [
    [{ connection: connection.replace(/.{4}$/, '0000') }, 'connection_invalid'],
    [{ organization: 'org_00000000000000000000000000' }, 'organization_invalid'],
  ]) {
    const url = workos.sso.getAuthorizationUrl({ ...rest, ...selector, state: 's' });
    const params = await new Browser().signIn(url);
    assert.equal(params.get('error'), error);
    assert.equal(params.get('state'), 's');
    assert.ok(params.get('error_description'));
  }
});

test('an unregistered redirect URI is not followed', async () => {
  const redirectUri = 'https://evil.example/callback';
  const url = workos.sso.getAuthorizationUrl({ ...byConnection, redirectUri });
  const answer = await new Browser().open(url);
  assert.equal(answer.headers.get('location'), null);
  assert.ok(answer.status >= 400);
});
