// An installation in which whatever strangers or careless people may write is made to harm whoever
// looks at it.

import assert from 'node:assert/strict';
import { api, control, demo, url } from './harness.mjs';
import { LINK, MARKUP, ODD, SHORT } from './hostile.mjs';

/** What its browsers call themselves. */
export const AGENT = `Mozilla/5.0 ${MARKUP}`;
/** A domain of the organization, whose DNS is hostile as well. */
const DOMAIN = 'hostile.example';
/** A redirect URI, as far as one may go. */
const REDIRECT_URI = "https://app.example/o'onclick='alert(6)/callback";

/** Fills it by the API; returns the connection by which the hostile people sign in. */
export async function furnish(idp) {
  const organization = demo.organization_id;
  await api('PUT', `/organizations/${organization}`, {
    name: MARKUP.slice(0, 200),
    external_id: MARKUP.slice(0, 128),
    metadata: { [SHORT]: MARKUP, odd: ODD, link: LINK },
  });
  await refused('POST', '/organization_domains', { organization_id: organization, domain: SHORT });
  await control('PUT', `/txt/${DOMAIN}`, MARKUP);
  const domain = await api('POST', '/organization_domains', {
    organization_id: organization,
    domain: DOMAIN,
  });
  await api('POST', `/organization_domains/${domain.id}/verify`);

  const named = { name: SHORT, description: MARKUP.slice(0, 150) };
  await api('POST', '/authorization/permissions', { slug: 'hostile:read', ...named });
  await api('POST', '/authorization/roles', { slug: 'hostile', ...named });
  await api('PUT', '/authorization/roles/hostile/permissions', { permissions: ['hostile:read'] });
  const own = `/authorization/organizations/${organization}/roles`;
  await api('POST', own, { slug: 'org-hostile', ...named });

  await api('PATCH', '/environment', { name: MARKUP.slice(0, 100) });
  await api('POST', '/environment/api_keys', { name: MARKUP.slice(0, 100) });
  await api('POST', '/user_management/redirect_uris', { uri: REDIRECT_URI });
  await refused('POST', '/user_management/redirect_uris', { uri: LINK });
  await api('POST', '/webhook_endpoints', {
    endpoint_url: `https://hooks.example/o'onclick='alert(7)?a=${encodeURIComponent(MARKUP)}`,
    events: ['connection.activated'],
  });
  // An application that answers deliveries with harmful text.
  await api('POST', '/webhook_endpoints', {
    endpoint_url: `${idp.origin}/token?a=${encodeURIComponent(MARKUP)}`,
    events: ['connection.activated', 'connection.deactivated'],
  });
  await api('PATCH', `/connections/${demo.connection_id}`, { state: 'inactive' });
  return connect(idp);
}

/** The connection to the hostile identity provider, with rules for its groups. */
async function connect(idp) {
  const connection = await api('POST', '/connections', {
    organization_id: demo.organization_id,
    connection_type: 'GenericOIDC',
    name: MARKUP.slice(0, 100),
    oidc: {
      client_id: MARKUP,
      client_secret: MARKUP,
      discovery_endpoint: idp.discoveryEndpoint,
      custom_attributes: { [MARKUP.slice(0, 100)]: 'profile', [SHORT]: 'locale' },
    },
    state: 'active',
  });
  const groups = `/connections/${connection.id}/groups`;
  await api('POST', groups, { idp_id: MARKUP, name: SHORT, role: 'hostile' });
  await api('POST', groups, { idp_id: LINK, name: ODD, role: 'org-hostile' });
  return connection;
}

/** A call of the API that is refused, because what it says would be harmful. */
async function refused(method, path, body) {
  const answer = await fetch(url(path), {
    method,
    headers: { authorization: `Bearer ${demo.api_key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok([400, 422].includes(answer.status), `${method} ${path}: ${answer.status}`);
}

/** Ways in which a login with the hostile identity provider ends, and what it is told for each. */
const LOGINS = {
  success: {},
  refused: { mode: 'refuse' },
  'no tokens': { mode: 'fail' },
  'an address that is none': { claims: { email: MARKUP } },
  'an address of nobody': { claims: { email: `"${SHORT.replaceAll('"', "'")}"@acme.example` } },
  'a domain of somebody else': { claims: { email: 'mallory@elsewhere.example' } },
  'no issuer of ours': { claims: { iss: MARKUP } },
  'no audience of ours': { claims: { aud: [MARKUP, LINK] } },
  'no nonce of ours': { claims: { nonce: MARKUP } },
  'no time of ours': { claims: { exp: MARKUP } },
  'no subject': { claims: { sub: { [MARKUP]: LINK } } },
};

/** Signs in once in each way, as a browser without cookies of others; `start` begins the login. */
export async function signInEachWay(idp, start) {
  for (const [name, { mode = 'sign in', claims = {} }] of Object.entries(LOGINS)) {
    Object.assign(idp, { mode, claims });
    await start(name);
  }
  Object.assign(idp, { mode: 'sign in', claims: {} });
}

/** Requests for a login of which not one part is right. */
export async function askWrongly(connection) {
  const right = {
    client_id: demo.client_id,
    redirect_uri: demo.redirect_uri,
    response_type: 'code',
    connection,
    state: MARKUP,
  };
  for (const wrong of [
    { redirect_uri: `https://evil.example/?${MARKUP}` },
    { response_type: MARKUP },
    { connection: MARKUP },
    { connection: '', organization: MARKUP },
    { connection: '', provider: MARKUP },
    { connection: '', domain: MARKUP },
    { code_challenge: 'x'.repeat(43), code_challenge_method: MARKUP },
    { domain_hint: MARKUP, login_hint: MARKUP, provider_scopes: MARKUP },
  ]) {
    const query = new URLSearchParams({ ...right, ...wrong });
    for (const [name, value] of [...query]) if (value === '') query.delete(name);
    await fetch(url(`/sso/authorize?${query}`), {
      redirect: 'manual',
      headers: { 'user-agent': AGENT },
    });
  }
}

/** Metadata that are wrong in ways that a report tells of. */
export const WRONG_METADATA = {
  'another issuer': { issuer: MARKUP },
  'no algorithm of ours': { id_token_signing_alg_values_supported: [MARKUP, LINK] },
  'no authentication of ours': { token_endpoint_auth_methods_supported: [MARKUP, LINK] },
  'no scope of ours': { scopes_supported: [MARKUP, LINK] },
  'no address': { authorization_endpoint: LINK },
  'not a list': { scopes_supported: MARKUP },
};
