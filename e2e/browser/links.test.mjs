// Setup links that are over, and links for one step: what they say, and that nothing else is to be had.

import assert from 'node:assert/strict';
import { good } from './checks.mjs';
import { api, demo, test, url, wait } from './harness.mjs';

/** What nobody may read who has no link that works. */
const NAME = 'Initech Secret Works';

/** An organization of its own, with its page of links. */
async function organization() {
  const { id } = await api('POST', '/organizations', {
    name: NAME,
    domain_data: [{ domain: `${crypto.randomUUID().slice(0, 8)}.example`, state: 'pending' }],
    allow_profiles_outside_organization: true,
  });
  return { id, links: url(`/dashboard/${demo.environment_id}/organizations/${id}/setup-links`) };
}

/** A link that an operator makes by mouse. */
async function invite(page, { links }) {
  await page.goto(links);
  await page.getByLabel('Single Sign-On').check();
  await page.getByLabel('Domain verification').check();
  await page.getByRole('button', { name: 'Create setup link' }).click();
  return (await page.locator('#new-link').textContent()).trim();
}

async function begin(page, link) {
  await page.goto(link);
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.waitForURL(/\/setup\/(home$|connections\/)/);
}

/** The page says this and nothing of what the link was for, and leads nowhere. */
async function over(page, title) {
  await page.getByRole('heading', { name: title }).waitFor();
  const content = await page.content();
  for (const secret of [NAME, 'setup_', 'org_', 'conn_', 'redirect-uri', 'csrf']) {
    assert.equal(content.includes(secret), false, `${title}: ${secret}`);
  }
  assert.equal(await page.locator('main form, main a').count(), 0);
  await good(page);
}

/** Opens what must be refused. */
async function refused(page, path) {
  const answer = await page.goto(url(path));
  assert.ok([403, 404].includes(answer.status()), `${path}: ${answer.status()}`);
  return page.locator('main').innerText();
}

const connections = async ({ id }) =>
  (await api('GET', `/connections?organization_id=${id}`)).data;

test('prt_06 a link that was revoked ends for everybody who has it', async (visitor) => {
  const initech = await organization();
  const operator = await visitor({ as: 'developer' });
  const link = await invite(operator, initech);
  const guest = await visitor({ expected: [/\/setup\/connections: answered 403/] });
  await begin(guest, link);
  await operator.goto(initech.links);
  await operator.getByRole('link', { name: 'Revoke' }).click();
  await good(operator);
  await operator.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await operator.getByText('Revoked').first().waitFor();

  // Who is in the middle of it is told on the next click, and nothing is done any more.
  await guest.getByRole('button', { name: 'Okta', exact: true }).click();
  await guest.locator('main').getByRole('heading', { name: 'This link was revoked' }).waitFor();
  assert.deepEqual(await connections(initech), []);
  for (const path of ['/setup/home', '/setup/domains']) {
    await refused(guest, path);
    await over(guest, 'This link was revoked');
  }
  const phone = await visitor({ size: 'phone', theme: 'dark' });
  const answer = await phone.goto(link);
  assert.equal(answer.status(), 403);
  await over(phone, 'This link was revoked');
});

test('prt_01 a link of the api works in the browser that began it, and in no other', async (visitor) => {
  const initech = await organization();
  const { link } = await api('POST', '/portal/generate_link', { organization: initech.id });
  const guest = await visitor();
  await begin(guest, link);
  const other = await visitor({ size: 'phone' });
  await other.goto(link);
  await over(other, 'This link was used already');
  await refused(other, '/setup/home');
  await over(other, 'This link is not valid');
  await other.goto(`${link}x`);
  await over(other, 'This link is not valid');
  // Back where it was begun.
  await guest.goto(link);
  await guest.waitForURL(/\/setup\/home$/);
  await guest.getByText(NAME).first().waitFor();
});

test('prt_04 a link for one step does this step and no other', async (visitor) => {
  const initech = await organization();
  const operator = await visitor({ as: 'developer' });
  const link = await invite(operator, initech);
  const guest = await visitor();
  await begin(guest, link);
  await guest.getByRole('button', { name: 'Okta', exact: true }).click();
  await guest.waitForURL(/steps\/create$/);
  const steps = new URL(guest.url()).pathname.replace(/create$/, '');
  const connection = steps.replace(/\/steps\/$/, '');
  await guest.goto(url(`${steps}configure`));
  await guest.getByRole('button', { name: 'Hand this step to a colleague' }).click();
  const handedOver = (await guest.locator('#handed-over').textContent()).trim();
  await good(guest);

  const colleague = await visitor({ size: 'phone', expected: [/answered 403/] });
  await colleague.goto(handedOver);
  await good(colleague);
  await begin(colleague, handedOver);
  assert.equal(new URL(colleague.url()).pathname, `${steps}configure`);
  await colleague.locator('#redirect-uri').waitFor();
  await good(colleague);
  assert.equal(await colleague.getByRole('navigation', { name: 'Steps' }).count(), 0);
  assert.equal(await colleague.getByRole('button', { name: /Hand this step/ }).count(), 0);
  await colleague.goto(url('/setup/home'));
  assert.equal(new URL(colleague.url()).pathname, `${steps}configure`);
  for (const path of [
    '/setup/domains',
    connection,
    `${connection}/reset`,
    ...['create', 'details', 'test', 'groups', 'roles'].map((step) => steps + step),
  ]) {
    const said = await refused(colleague, path);
    assert.match(said, /This link is (not )?for/, path);
  }
  // What no page of theirs offers is refused as well, with a form that is theirs.
  await colleague.goto(url(`${steps}configure`));
  for (const path of [`${steps}details`, `${connection}/live`, `${connection}/reset`, '/setup/finish']) {
    const status = await colleague.evaluate(async (action) => {
      const csrf = document.querySelector('main input[name=csrf]').value;
      const answer = await fetch(action, { method: 'POST', body: new URLSearchParams({ csrf }) });
      return answer.status;
    }, path);
    assert.equal(status, 403, path);
  }
  assert.equal((await connections(initech)).length, 1);
  await colleague.getByRole('button', { name: 'I have done this' }).click();
  await colleague.getByText('as soon as the client ID is known').waitFor();

  // It ends with the link that it came from.
  await operator.goto(initech.links);
  await operator.getByRole('link', { name: 'Revoke' }).last().click();
  await operator.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await operator.getByText('Revoked').first().waitFor();
  await refused(colleague, `${steps}configure`);
  await over(colleague, 'This link was revoked');
});

test('prt_02 links that expired say so, and what was begun goes on or ends', async (visitor) => {
  const initech = await organization();
  const operator = await visitor({ as: 'developer' });
  const shared = await invite(operator, initech);
  const { link: late } = await api('POST', '/portal/generate_link', { organization: initech.id });
  const { link: begun } = await api('POST', '/portal/generate_link', { organization: initech.id });
  const guest = await visitor();
  await begin(guest, begun);
  const open = await visitor({ expected: [/\/setup\/begin: answered 403/] });
  await open.goto(late);
  await wait({ minutes: 6 });
  // Opened in time, begun too late.
  await open.getByRole('button', { name: 'Begin' }).click();
  await open.locator('main').getByRole('heading', { name: 'This link has expired' }).waitFor();
  const phone = await visitor({ size: 'phone' });
  const answer = await phone.goto(late);
  assert.equal(answer.status(), 403);
  await over(phone, 'This link has expired');
  await guest.goto(url('/setup/home'));
  await guest.getByText(NAME).first().waitFor();

  const second = await visitor();
  await begin(second, shared);
  await wait({ days: 31 });
  await second.goto(url('/setup/home'));
  await second.locator('h1').waitFor();
  assert.equal((await second.content()).includes(NAME), false);
  await phone.goto(shared);
  await over(phone, 'This link has expired');
});
