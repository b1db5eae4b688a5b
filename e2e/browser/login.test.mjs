// What a person sees who signs in: the application, the identity provider, our own pages between.

import assert from 'node:assert/strict';
import { accessible, fits, good } from './checks.mjs';
import { api, demo, signInAtOkta, test, url } from './harness.mjs';

test('a person signs in by the sample application and out again', async (visitor) => {
  const page = await visitor();
  await page.goto(demo.application_url);
  await good(page);
  await page.getByRole('link', { name: 'Sign in with SSO' }).click();
  await page.getByLabel('Username').waitFor();
  await good(page);
  await signInAtOkta(page);
  await page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
  assert.equal(await page.locator('.badge.role').textContent(), 'admin');
  await page.getByText('Profile as JSON').click();
  await good(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Welcome' }).waitFor();
});

test('a person signs in on a phone, at night', async (visitor) => {
  const page = await visitor({ size: 'phone', theme: 'dark' });
  await page.goto(demo.application_url);
  await page.getByRole('link', { name: 'Sign in with SSO' }).tap();
  await page.getByLabel('Username').waitFor();
  await accessible(page);
  await signInAtOkta(page, demo.sandbox.users[1]);
  await page.getByRole('heading', { name: 'Grace Hopper' }).waitFor();
  assert.equal(await page.locator('.badge.role').textContent(), 'engineer');
  await fits(page);
});

test('a person signs in without scripts', async (visitor) => {
  const page = await visitor({ script: false });
  await page.goto(new URL('/login', demo.application_url).href);
  await signInAtOkta(page, demo.sandbox.users[2]);
  await page.getByRole('heading', { name: 'Alan Turing' }).waitFor();
});

test('a person signs in with the keyboard alone', async (visitor) => {
  const page = await visitor();
  await page.goto(demo.application_url);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  // The first field has the focus when the page opens.
  await page.locator('input:focus').waitFor();
  await page.keyboard.type('ada@acme.example');
  await page.keyboard.press('Tab');
  await page.keyboard.type('ada-in-the-sandbox');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
});

test('a wrong password is told at the identity provider, and mended there', async (visitor) => {
  const page = await visitor();
  await page.goto(new URL('/login', demo.application_url).href);
  await signInAtOkta(page, { email: 'ada@acme.example', password: 'forgotten' });
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Username').inputValue(), 'ada@acme.example');
  await good(page);
  await signInAtOkta(page);
  await page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
});

test('csr_14 a person is asked whether to continue, and cancels or continues', async (visitor) => {
  const before = (await api('GET', '/environment')).settings.signin_consent;
  await api('PATCH', '/environment', { settings: { signin_consent: 'always' } });
  const page = await visitor();
  await page.goto(new URL('/login', demo.application_url).href);
  await signInAtOkta(page);
  await page.getByRole('heading', { name: 'Continue signing in?' }).waitFor();
  await page.getByText('ada@acme.example').waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('heading', { name: 'You are not signed in' }).waitFor();
  await page.getByText('signin_consent_denied').waitFor();
  await good(page);

  await page.getByRole('link', { name: 'Try again' }).click();
  // Okta remembers who signed in.
  const heading = page.getByRole('heading', { name: 'Continue signing in?' });
  await heading.or(page.getByLabel('Username')).waitFor();
  if (!(await heading.isVisible())) await signInAtOkta(page);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
  await api('PATCH', '/environment', { settings: { signin_consent: before } });
});

test('dsh_06 a login that cannot begin ends on a page that shows nothing of the request', async (visitor) => {
  const page = await visitor();
  const marker = '<img src=x onerror=alert(1)>';
  const query = new URLSearchParams({
    client_id: marker,
    redirect_uri: `https://evil.example/?${marker}`,
    response_type: 'code',
    state: marker,
    error: marker,
    error_description: marker,
  });
  const answer = await page.goto(url(`/sso/authorize?${query}`));
  assert.ok(answer.status() >= 400);
  await page.getByRole('heading', { name: 'Sign-in not completed' }).waitFor();
  assert.equal((await page.content()).includes('onerror'), false);
  await good(page);
});

test('a callback that nobody is waiting for ends on a page with one sentence', async (visitor) => {
  const page = await visitor();
  const { redirect_uri: callback } = await api('GET', `/connections/${demo.connection_id}`);
  await page.goto(`${callback}?code=abc&state=nobody`);
  await page.getByRole('heading', { name: 'Sign-in not completed' }).waitFor();
  await good(page);
});

test('whoever opens the base URL is told what this is', async (visitor) => {
  const page = await visitor();
  await page.goto(demo.base_url);
  await page.getByRole('heading', { name: 'Vestibule is running' }).waitFor();
  await good(page);
});
