// The demo, and who uses it: the tests in a browser and the pictures both stand on this.

import assert from 'node:assert/strict';

/** What `vestibule demo --json` printed, and the address of the test's own controls, if it has any. */
export const demo = JSON.parse(process.env.DEMO);

/** A URL of the service. */
export const url = (path) => new URL(path, demo.base_url).href;

/** A call of the REST API: the JSON that it answers. */
export async function api(method, path, body) {
  const answer = await fetch(url(path), {
    method,
    headers: { authorization: `Bearer ${demo.api_key}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

/** A call of the simulated tenant's controls. */
export async function sandbox(method, path, body) {
  const answer = await fetch(new URL(`/sandbox/${path}`, demo.sandbox.issuer), {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** Signs in at the simulated tenant's page, where the browser is by now. */
export async function signIn(page, person = demo.sandbox.users[0]) {
  const username = page.getByLabel('Username');
  if ((await username.inputValue()) !== person.email) await username.fill(person.email);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
