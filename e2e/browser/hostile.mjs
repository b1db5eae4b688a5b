// An identity provider that a hostile customer runs: what it says is correct by the protocol, and
// every text in it that it may choose is made to harm whoever looks at it.

import assert from 'node:assert/strict';
import { createHash, createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

/** Whether a text of ours is on a page. */
export const MARK = 'marked-by-the-test';

/** Breaks out of whatever it is put into, if anything lets it. */
export const MARKUP =
  `${MARK}"'\`><img src=x onerror=alert(1)></script></title></textarea></style>` +
  '<script>alert(2)</script><svg onload=alert(3)>{{7*7}}${7*7}<%= 7*7 %>';

/** Runs, if it becomes the target of a link. */
export const LINK = `javascript:alert('${MARK}')`;

/** The same, short enough for fields that hold little. */
export const SHORT = '"><img src=x onerror=alert(4)>{{7*7}}';

/** Text that turns around what follows it, and text that is not there. */
export const ODD = `${MARK}\u202Egnp.exe\u2066\u200B`;

/** The path of its issuer: as much as an address may have. */
const PATH = "/o'onclick='alert(5)";

const base64url = (value) => Buffer.from(value).toString('base64url');

/** Starts one on loopback; `close` stops it. */
export async function hostileIdp() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...publicKey.export({ format: 'jwk' }), kid: SHORT, use: 'sig', alg: 'RS256' };
  const codes = new Map();
  // `claims` and `metadata` take the place of what it says else.
  const idp = { mode: 'sign in', claims: {}, metadata: {} };

  const server = createServer(async (request, response) => {
    const { pathname: whole, searchParams } = new URL(request.url, idp.origin);
    const pathname = whole.replace(PATH, '');
    const json = (value, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    if (pathname === '/.well-known/openid-configuration') {
      return json({ ...metadata(idp.issuer), ...idp.metadata });
    }
    if (pathname === '/keys') return json({ keys: [key] });
    if (pathname === '/authorize') {
      const back = new URL(searchParams.get('redirect_uri'));
      const code = randomUUID();
      codes.set(code, searchParams);
      const answer =
        idp.mode === 'refuse'
          ? { error: 'access_denied', error_description: MARKUP, error_uri: LINK }
          : { code };
      back.search = new URLSearchParams({ ...answer, state: searchParams.get('state') });
      response.writeHead(302, { location: back.href });
      return response.end();
    }
    if (pathname === '/token') {
      let body = '';
      for await (const chunk of request) body += chunk;
      const asked = codes.get(new URLSearchParams(body).get('code'));
      if (idp.mode === 'fail' || !asked) {
        return json({ error: SHORT, error_description: MARKUP, error_uri: LINK }, 400);
      }
      const accessToken = randomUUID();
      const idToken = { ...claims(idp, asked), at_hash: half(accessToken), nonce: asked.get('nonce') };
      return json({
        access_token: accessToken,
        token_type: 'Bearer',
        expires_in: 300,
        id_token: sign(idToken),
        scope: MARKUP,
      });
    }
    if (pathname === '/userinfo') {
      const { iss, aud, exp, iat, ...rest } = claims(idp, new URLSearchParams());
      return json(rest);
    }
    return json({ error: SHORT }, 404);
  });

  const sign = (payload) => {
    const header = { alg: 'RS256', kid: key.kid, typ: 'JWT' };
    const input = [header, payload].map((part) => base64url(JSON.stringify(part))).join('.');
    const signature = createSign('RSA-SHA256').update(input).sign(privateKey, 'base64url');
    return `${input}.${signature}`;
  };

  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  idp.origin = `http://127.0.0.1:${server.address().port}`;
  idp.issuer = idp.origin + PATH;
  idp.discoveryEndpoint = `${idp.issuer}/.well-known/openid-configuration`;
  idp.close = () => server.close();
  return idp;
}

const half = (token) => createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url');

/** Claims in which everything that is free is harmful, names of claims too. */
function claims(idp, asked) {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: idp.issuer,
    aud: asked.get('client_id'),
    iat: now,
    exp: now + 300,
    sub: SHORT,
    email: 'mallory@acme.example',
    email_verified: true,
    name: MARKUP,
    given_name: MARKUP,
    family_name: MARKUP,
    preferred_username: MARKUP,
    locale: MARKUP,
    zoneinfo: ODD,
    picture: LINK,
    profile: LINK,
    website: LINK,
    acr: MARKUP,
    amr: [MARKUP],
    groups: [MARKUP, LINK, SHORT, ODD],
    address: { formatted: MARKUP, [SHORT]: LINK },
    [MARKUP]: MARKUP,
    [LINK]: [LINK, { [SHORT]: MARKUP }],
    ...idp.claims,
  };
}

/** Metadata with everything that it takes, and harmful text wherever any text would do. */
function metadata(issuer) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize?a=${SHORT}`,
    token_endpoint: `${issuer}/token?a=${SHORT}`,
    userinfo_endpoint: `${issuer}/userinfo?a=${SHORT}`,
    jwks_uri: `${issuer}/keys?a=${SHORT}`,
    end_session_endpoint: `${issuer}/logout?a=${SHORT}`,
    response_types_supported: ['code', MARKUP],
    response_modes_supported: ['query', MARKUP],
    grant_types_supported: ['authorization_code', MARKUP],
    subject_types_supported: ['public', MARKUP],
    id_token_signing_alg_values_supported: ['RS256', MARKUP],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', MARKUP],
    code_challenge_methods_supported: ['S256', MARKUP],
    scopes_supported: ['openid', 'profile', 'email', MARKUP],
    claims_supported: ['sub', 'email', 'groups', MARKUP],
    ui_locales_supported: [MARKUP],
    service_documentation: LINK,
    op_policy_uri: LINK,
    op_tos_uri: LINK,
    [MARKUP]: MARKUP,
  };
}

/** Is a page on which foreign text is nothing but text; the watch sees whatever ran regardless. */
export async function inert(page) {
  const found = await page.evaluate((mark) => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const isOurs = (url) => new URL(url, location).origin === location.origin;
    const elements = [
      ...all('img[src=x], svg[onload]'),
      ...all('script').filter((script) => !script.src || !isOurs(script.src)),
      ...all('a, area, form, iframe, object, embed, link, base').filter((element) =>
        ['href', 'action', 'src', 'data'].some((name) =>
          /^\s*(javascript|data|vbscript):/i.test(element.getAttribute(name) ?? ''),
        ),
      ),
      ...all('*').filter((element) => [...element.attributes].some(({ name }) => /^on/.test(name))),
    ];
    const text = document.body.textContent;
    return {
      elements: elements.map((element) => element.outerHTML.slice(0, 300)),
      computed: text.includes(`${mark}49`) || />49\$|\}49/.test(text),
    };
  }, MARK);
  assert.deepEqual(found, { elements: [], computed: false }, `foreign text on ${page.url()}`);
}
