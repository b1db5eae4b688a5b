// What the tests of the SDK stand on: the SDK, the demo that runs, and a browser.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import nodeTest from 'node:test';

// Node.js 18 has it, but not among its globals, where the SDK looks for it.
globalThis.crypto ??= webcrypto;

// What the SDK is answered is kept, one line of JSON each, to be held against WorkOS's document.
const { fetch } = globalThis;
globalThis.fetch = async (url, options) => {
  const answer = await fetch(url, options);
  const { pathname, search } = new URL(url);
  const line = {
    method: options.method,
    path: pathname + search,
    status: answer.status,
    body: await answer.clone().text(),
  };
  appendFileSync(process.env.RECORD, `${JSON.stringify(line)}\n`);
  return answer;
};

/** The package under test, by its name in package.json. */
const sdk = await import(process.env.WORKOS_SDK);

/** What `vestibule demo --json` printed. */
export const demo = JSON.parse(process.env.DEMO);

/** A client as an application makes it; only the address differs from WorkOS. */
export function client(options = { apiKey: demo.api_key }) {
  const { hostname, port } = new URL(demo.base_url);
  return new sdk.WorkOS({
    clientId: demo.client_id,
    apiHostname: hostname,
    port: Number(port),
    https: false,
    ...options,
  });
}

/** A test that does not wait for ever. */
export const test = (name, story) => nodeTest(name, { timeout: 60_000 }, story);

/** Whether a call is refused with this exception of the SDK and these members. */
export async function refused(promise, exception, members = {}) {
  const error = await promise.then(
    (value) => assert.fail(`it was not refused: ${JSON.stringify(value)}`),
    (error) => error,
  );
  assert.ok(error instanceof sdk[exception], `${exception} was expected, not ${error.stack}`);
  assert.match(error.requestID, /^[0-9A-Za-z_-]{10,}$/);
  for (const [name, value] of Object.entries(members)) {
    if (value instanceof RegExp) assert.match(error[name], value);
    else assert.deepEqual(error[name], value, name);
  }
  return error;
}

/** Cookies by origin, redirects by hand. */
export class Browser {
  #cookies = new Map();

  /** Opens a URL, or sends a form to it. */
  async open(url, form) {
    const { origin } = new URL(url);
    if (!this.#cookies.has(origin)) this.#cookies.set(origin, new Map());
    const cookies = this.#cookies.get(origin);
    const answer = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      headers: {
        accept: 'text/html',
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
      redirect: 'manual',
    });
    for (const header of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(header);
      if (/max-age=0/i.test(header)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  }

  /** Follows a login from its authorize URL to the application: the parameters that it gets. */
  async signIn(url, person = demo.sandbox.users[0]) {
    let form;
    for (let hop = 0; hop < 15; hop += 1) {
      if (url.startsWith(demo.redirect_uri)) return new URL(url).searchParams;
      const answer = await this.open(url, form);
      form = undefined;
      const location = answer.headers.get('location');
      const page = await answer.text();
      if (location) {
        url = new URL(location, url).href;
      } else if (page.includes('type="password"')) {
        form = { ...hiddenFields(page), username: person.email, password: person.password };
        url = new URL(/<form[^>]* action="([^"]*)"/.exec(page)[1], url).href;
      } else {
        assert.fail(`the login ended at ${url} with ${answer.status}: ${page}`);
      }
    }
    return assert.fail('the login went on and on');
  }
}

function hiddenFields(page) {
  const fields = page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
  return Object.fromEntries([...fields].map(([, name, value]) => [name, value]));
}
