// A client secret is replaced while people sign in: nobody notices.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { appPage, deactivateSecret, deleteSecret, generateSecret, openConsole } from './console.mjs';
import { control, demo, test, url } from './harness.mjs';

const connection = url(`/dashboard/${demo.environment_id}/connections/${demo.connection_id}`);

/** Runs a story while people sign in one after the other; what became of their logins. */
async function underTraffic(story) {
  await control('POST', '/traffic');
  let ended;
  try {
    await story();
  } finally {
    ended = await control('DELETE', '/traffic');
  }
  return JSON.parse(ended);
}

/** Waits until whoever is signing in is through, and each has done it once more from the start. */
async function aWhile() {
  const ended = async () => JSON.parse(await control('GET', '/traffic'));
  const before = await ended();
  do {
    await new Promise((done) => setTimeout(done, 50));
  } while ((await ended()).some((count, person) => count < before[person] + 2));
}

test('a client secret is rotated by mouse, and no login fails', async (visitor) => {
  const page = await visitor({ as: 'developer' });
  const okta = await visitor();
  await openConsole(okta);
  const app = await appPage(okta, 'Vestibule');
  const { succeeded, failed } = await underTraffic(async () => {
    const secret = await generateSecret(okta);
    await aWhile();
    await page.goto(connection);
    await page.getByLabel('Next Client Secret').fill(secret);
    await page.getByRole('button', { name: 'Save Configuration' }).click();
    await page.getByText('A next client secret is stored.').waitFor();
    await good(page);
    assert.equal((await page.content()).includes(secret), false);
    await aWhile();
    await deactivateSecret(okta, 1);
    await aWhile();
    await page.getByRole('button', { name: 'Make it the present secret' }).click();
    await page.getByText('A next client secret is stored.').waitFor({ state: 'detached' });
    await aWhile();
    await okta.goto(app);
    await deleteSecret(okta);
    await aWhile();
  });
  assert.deepEqual(failed, []);
  assert.ok(succeeded >= 20, `${succeeded} logins are too few to tell`);
});

test('a secret that is replaced at the provider alone is what the traffic notices', async (visitor) => {
  const okta = await visitor();
  await openConsole(okta);
  await appPage(okta, 'Vestibule');
  const { failed } = await underTraffic(async () => {
    await generateSecret(okta);
    await deactivateSecret(okta, 1);
    await aWhile();
  });
  assert.ok(failed.length > 0);
});
