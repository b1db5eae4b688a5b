import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { client, demo, test } from './world.mjs';

const workos = client();

/** Waits for the next delivery at a server on loopback: its raw body and its signature. */
async function receiver() {
  const waiting = [];
  const came = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      response.end();
      const delivery = {
        payload: Buffer.concat(parts).toString(),
        sigHeader: request.headers['workos-signature'],
      };
      const next = waiting.shift();
      if (next) next(delivery);
      else came.push(delivery);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    next: () => came.shift() ?? new Promise((resolve) => waiting.push(resolve)),
    close: () => server.close(),
  };
}

test('a webhook is verified by the SDK, and one that was changed is not', async () => {
  const hook = await receiver();
  const answer = await fetch(`${demo.base_url}/webhook_endpoints`, {
    method: 'POST',
    headers: { authorization: `Bearer ${demo.api_key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ endpoint_url: hook.url, events: ['organization.created'] }),
  });
  assert.equal(answer.status, 201);
  const { id, secret } = await answer.json();
  const created = await workos.organizations.createOrganization({ name: 'Hooked "€" \\ Ltd' });
  const { payload, sigHeader } = await hook.next();
  for (const body of [payload, JSON.parse(payload)]) {
    const event = await workos.webhooks.constructEvent({ payload: body, sigHeader, secret });
    assert.equal(event.event, 'organization.created');
    assert.equal(event.data.id, created.id);
    assert.equal(event.data.name, created.name);
  }
  const forged = JSON.parse(payload);
  forged.data.name = 'Somebody else';
  await assert.rejects(workos.webhooks.constructEvent({ payload: forged, sigHeader, secret }));
  await assert.rejects(
    workos.webhooks.constructEvent({ payload: JSON.parse(payload), sigHeader, secret: 'whsec_x' }),
  );
  await fetch(`${demo.base_url}/webhook_endpoints/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${demo.api_key}` },
  });
  hook.close();
});
