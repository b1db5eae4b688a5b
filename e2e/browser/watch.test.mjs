// The watch over the pages sees what it is there to see.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import nodeTest, { after } from 'node:test';
import { accessible, fits, light } from './checks.mjs';
import { browser } from './harness.mjs';
import { watch } from './watch.mjs';

const SOUND = {
  'content-type': 'text/html',
  'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'; img-src 'self'; style-src 'self'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

let answer;
const server = createServer((request, response) => {
  const { status = 200, headers = SOUND, body = '' } = answer(request.url) ?? {};
  response.writeHead(status, headers).end(body);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
after(() => server.close());
const origin = `http://127.0.0.1:${server.address().port}`;

/** Shows a page to somebody who watches: what is told, and what `look` gives. */
async function shown(page, look = () => {}) {
  answer = typeof page === 'function' ? page : () => page;
  const context = await browser.newContext();
  const problems = [];
  await watch(context, { origins: [origin] }, (problem) => problems.push(problem));
  const tab = await context.newPage();
  await tab.goto(`${origin}/page`);
  // What a page did wrong is told a moment later.
  await tab.evaluate(() => new Promise((done) => setTimeout(done, 50)));
  const looked = await Promise.resolve(look(tab)).then(
    () => undefined,
    (error) => error,
  );
  await context.close();
  return { problems, looked };
}

const document = (body) =>
  `<!doctype html><html lang="en"><head><title>T</title></head><body><main><h1>T</h1>${body}</main></body></html>`;

nodeTest('a sound page is no problem', async () => {
  const { problems, looked } = await shown({ body: document('<p>Text</p>') }, async (page) => {
    await accessible(page);
    await fits(page);
    await light(page);
  });
  assert.deepEqual(problems, []);
  assert.equal(looked, undefined);
});

for (const [name, body, told] of [
  ['an inline script', '<script>1</script>', /violates its own policy: script-src-elem inline/],
  ['a handler in an attribute', '<img src="/i" onload="1">', /script-src-attr inline/],
  ['an inline style', '<p style="color:red">x</p>', /style-src-attr inline/],
  ['a picture of another host', '<img src="http://127.0.0.1:9/a.png">', /asks another host/],
  ['a script that fails', '<script src="/throws.js"></script>', /a script failed: Error: no/],
  ['a script that asks', '<script src="/asks.js"></script>', /a alert popped up/],
  ['a script that complains', '<script src="/says.js"></script>', /the console says: oh/],
  ['a picture that is not there', '<img src="/404" alt="">', /GET \/404: answered 404/],
]) {
  nodeTest(`${name} is seen`, async () => {
    const files = {
      '/throws.js': { body: 'throw new Error("no")' },
      '/asks.js': { body: 'alert(1)' },
      '/says.js': { body: 'console.error("oh")' },
      '/404': { status: 404 },
    };
    for (const file of Object.values(files)) {
      file.headers = { ...SOUND, 'content-type': 'text/javascript' };
    }
    const { problems } = await shown((path) => files[path] ?? { body: document(body) });
    assert.ok(problems.some((problem) => told.test(problem)), problems.join('\n') || 'nothing told');
  });
}

for (const [header, value] of [
  ['content-security-policy', undefined],
  ['content-security-policy', SOUND['content-security-policy'].replace("style-src 'self'", "style-src 'unsafe-inline'")],
  ['content-security-policy', "default-src 'none'"],
  ['cache-control', 'max-age=60'],
  ['referrer-policy', undefined],
  ['x-content-type-options', undefined],
]) {
  nodeTest(`dsh_08 ${header}: ${value} is seen`, async () => {
    const headers = { ...SOUND, [header]: value };
    if (value === undefined) delete headers[header];
    const { problems } = await shown({ headers, body: document('') });
    assert.notDeepEqual(problems, []);
  });
}

nodeTest('a page that answers 500 is seen', async () => {
  const { problems } = await shown({ status: 500, body: document('') });
  assert.equal(problems.length, 1);
});

nodeTest('a field without a label, a wide page and a heavy one are seen', async () => {
  const field = await shown({ body: document('<input name="a">') }, accessible);
  assert.match(field.looked?.message, /label/);
  const wide = await shown({ body: document(`<p>${'x'.repeat(1000)}</p>`) }, fits);
  assert.match(wide.looked?.message, /wider than the window/);
  const heavy = await shown({ body: document('x '.repeat(60_000)) }, light);
  assert.match(heavy.looked?.message, /loads [12]\d{5} bytes/);
});
