// Whoever comes too late; the test holds the clock of the service and of the tenant.

import { good } from './checks.mjs';
import { demo, signInAtOkta, test, wait } from './harness.mjs';

test('a login that took too long says so, and the next one works', async (visitor) => {
  const page = await visitor();
  await page.goto(new URL('/login', demo.application_url).href);
  await page.getByLabel('Username').waitFor();
  await wait({ minutes: 11 });
  await signInAtOkta(page);
  await page.getByRole('heading', { name: 'Sign-in not completed' }).waitFor();
  await page.getByText('took too long').waitFor();
  await good(page);

  await page.goto(new URL('/login', demo.application_url).href);
  await page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
});
