// A certified OpenID provider that somebody else wrote, standing for a customer's own. (Its version 8:
// the next one wants a newer Node.js than Debian has.)
//
// The variable OIDC_PROVIDER holds JSON: the `clients`, and how ID tokens are signed: `algorithms`
// (a key for each, and a second one of the first; without it the package's own default). One line of
// JSON says where it is; then one word for each token request says how the client authenticated.
// Everybody can sign in, by the pages that the package has for developers. `POST /test/rotate` signs
// with new keys from then on.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { clients, algorithms } = JSON.parse(process.env.OIDC_PROVIDER);

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  EdDSA: ['ed25519'],
};

function key(alg) {
  const { privateKey } = generateKeyPairSync(...KINDS[alg]);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
}

function account(id) {
  const claims = {
    sub: id,
    email: `${id}@acme.example`,
    email_verified: true,
    name: 'Zoë Example',
    given_name: 'Zoë',
    family_name: 'Example',
    groups: ['Engineering', 'Größe & Maß'],
  };
  return { accountId: id, claims: () => claims };
}

const server = createServer((request, response) => {
  if (request.url === '/test/rotate') {
    callback = make();
    response.end();
  } else {
    if (request.url === '/token') {
      const basic = request.headers.authorization?.startsWith('Basic ');
      console.log(basic ? 'client_secret_basic' : 'client_secret_post');
    }
    callback(request, response);
  }
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

function make() {
  const configuration = {
    clients,
    claims: {
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'groups'],
    },
    findAccount: (_context, id) => account(id),
    features: { backchannelLogout: { enabled: true } },
  };
  if (algorithms) {
    // The first one signs where several would do; another of its kind stands beside it.
    configuration.jwks = { keys: [...algorithms, algorithms[0]].map(key) };
    configuration.enabledJWA = { idTokenSigningAlgValues: algorithms };
  }
  const provider = new Provider(issuer, configuration);
  provider.on('server_error', (_context, error) => console.error(error));
  return provider.callback();
}

let callback = make();
console.log(JSON.stringify({ issuer }));
