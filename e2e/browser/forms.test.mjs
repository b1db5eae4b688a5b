// What holds for the forms of every page, tried with the one that creates an organization.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { good } from './checks.mjs';
import { api, demo, elsewhere, test, url } from './harness.mjs';

const list = url(`/dashboard/${demo.environment_id}/organizations`);
const named = async (name) => {
  const { data } = await api('GET', '/organizations?limit=100');
  return data.filter((organization) => organization.name === name).length;
};

for (const script of [true, false]) {
  const how = script ? 'with scripts' : 'without scripts';

  test(`an organization is created ${how}`, async (visitor) => {
    const page = await visitor({ as: 'developer', script });
    await page.goto(list);
    await page.getByRole('link', { name: 'Create organization' }).first().click();
    await page.getByLabel('Name').fill(`Initech ${how}`);
    await page.getByRole('button', { name: 'Create organization' }).click();
    await page.waitForURL(/\/organizations\/org_/);
    assert.equal(await named(`Initech ${how}`), 1);
  });

  test(`a form that is refused keeps what was typed and says what is wrong at the field, ${how}`, async (visitor) => {
    const page = await visitor({ as: 'developer', script });
    await page.goto(`${list}/new`);
    await page.getByLabel('External id').fill('kept-12');
    await page.getByLabel('Name').fill(' ');
    await page.getByRole('button', { name: 'Create organization' }).click();
    const name = page.getByLabel('Name');
    await page.locator('[aria-invalid=true]').waitFor();
    assert.equal(await name.getAttribute('aria-invalid'), 'true');
    const described = await name.getAttribute('aria-describedby');
    const texts = await Promise.all(
      described.split(' ').map((id) => page.locator(`[id="${id}"]`).textContent()),
    );
    assert.match(texts.join(' '), /\w{4,}/);
    assert.equal(await page.getByLabel('External id').inputValue(), 'kept-12');
    if (script) {
      assert.equal(await name.evaluate((field) => field === document.activeElement), true);
      await good(page);
    }
    await name.fill(`Mended ${how}`);
    await page.getByLabel('External id').fill(`mended-${script}`);
    await page.getByRole('button', { name: 'Create organization' }).click();
    await page.waitForURL(/\/organizations\/org_/);
  });
}

test('what is shown once is in sight, however far down the button was', async (visitor) => {
  const page = await visitor({ as: 'developer' });
  await page.goto(url(`/dashboard/${demo.environment_id}/webhooks/new`));
  await page.getByLabel('Endpoint URL').fill('https://hooks.example.com/vestibule');
  await page.getByRole('button', { name: 'All events', exact: true }).click();
  await page.getByRole('button', { name: 'Add endpoint' }).click();
  const secret = page.getByRole('status').filter({ hasText: 'Its signing secret' });
  await secret.waitFor();
  const { y } = await secret.boundingBox();
  const { height } = page.viewportSize();
  assert.ok(y >= 0 && y < height, `the secret is at ${y} of ${height}`);
  await good(page);
});

test('a lost connection loses nothing that was typed, and says so', async (visitor) => {
  const page = await visitor({ as: 'developer' });
  await page.goto(`${list}/new`);
  await page.getByLabel('Name').fill('Typed on a train');
  await page.getByLabel('External id').fill('train');
  await page.context().setOffline(true);
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.getByRole('alert').getByText('connection was lost').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'Typed on a train');
  await good(page);
  // Once more: one notice, not two.
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.waitForTimeout(100);
  assert.equal(await page.getByRole('alert').count(), 1);
  await page.context().setOffline(false);
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.waitForURL(/\/organizations\/org_/);
  assert.equal(await named('Typed on a train'), 1);
});

test('the answer that never came is told as well', async (visitor) => {
  const page = await visitor({ as: 'developer' });
  await page.goto(`${list}/new`);
  await page.getByLabel('Name').fill('Saved, but nobody heard');
  await page.route('**/organizations', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    await route.fetch({ maxRedirects: 0 });
    await route.abort('connectionreset');
  });
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'Saved, but nobody heard');
});

test('a form that is sent twice counts once', async (visitor) => {
  const page = await visitor({ as: 'developer' });
  await page.goto(`${list}/new`);
  await page.getByLabel('Name').fill('Twice');
  await page.getByRole('button', { name: 'Create organization' }).dblclick();
  await page.waitForURL(/\/organizations\/org_/);
  assert.equal(await named('Twice'), 1);
});

test('dsh_14 who may not change anything is not offered to', async (visitor) => {
  const page = await visitor({ as: 'support' });
  await page.goto(list);
  await page.getByRole('heading', { name: 'Organizations' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Create organization' }).count(), 0);
  const answer = await page.goto(`${list}/new`);
  assert.equal(answer.status(), 403);
  await good(page);
});

test('dsh_08 a page that is not there has the headers too, and a way back', async (visitor) => {
  const page = await visitor({ as: 'support' });
  for (const path of ['/dashboard/nothing/here', '/dashboard/environment_nothing/organizations']) {
    const answer = await page.goto(url(path));
    assert.equal(answer.status(), 404);
    await good(page);
    await page.getByRole('link', { name: 'To the dashboard' }).waitFor();
  }
});

test('dsh_12 no page can be framed', async (visitor) => {
  const attacker = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><title>Win a prize</title><iframe src="${list}"></iframe>`);
  });
  await new Promise((done) => attacker.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${attacker.address().port}`;
  elsewhere.push(origin);
  const refusal = /frame-ancestors 'none'/;
  const page = await visitor({ as: 'admin', expected: [refusal] });
  const told = page.waitForEvent('console', (message) => refusal.test(message.text()));
  await page.goto(origin);
  await told;
  const inner = page.frames().find((frame) => frame !== page.mainFrame());
  assert.equal((await inner.content()).includes('Organizations'), false);
  attacker.close();
});
