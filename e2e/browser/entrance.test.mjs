// How one gets into the dashboard: from the link that the start prints to a team of two.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { demo, test, url } from './harness.mjs';

const EMAIL = 'olga@staff.example';
const PASSWORD = 'a quiet front room';

async function enrol(page, name, email) {
  await page.getByLabel('Your name').fill(name);
  if (email) await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('The same password again').fill(PASSWORD);
}

test('the first administrator comes by the link, signs in again, and invites another one', async (visitor) => {
  const page = await visitor({ expected: [/422/] });
  await page.goto(demo.dashboard_url);
  await good(page);
  await enrol(page, 'Olga', EMAIL);
  await page.getByRole('button', { name: 'Create the first administrator' }).click();
  await page.waitForURL(/\/overview/);

  await page.goto(url('/dashboard/account/confirm?next=/dashboard/account'));
  await good(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  await good(page);
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password').fill('not this one');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('The e-mail address or the password is wrong.').waitFor();
  await good(page);
  assert.equal(await page.getByLabel('E-mail address').inputValue(), EMAIL);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/overview/);

  await page.goto(url('/dashboard/team'));
  await page.getByLabel('E-mail address').fill('dev@staff.example');
  await page.getByRole('button', { name: 'Create invitation link' }).click();
  const link = (await page.locator('#invitation').textContent()).trim();
  await good(page);

  const other = await visitor({ size: 'phone', theme: 'dark' });
  await other.goto(link);
  await good(other);
  await enrol(other, 'Dev');
  await other.getByRole('button', { name: 'Join' }).click();
  await other.waitForURL(/\/overview/);
  await other.goto(url('/dashboard/account'));
  await other.locator('main').getByText('dev@staff.example · Developer').waitFor();
  await good(other);
});
