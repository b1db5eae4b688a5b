import assert from 'node:assert/strict';
import { client, demo, refused, test } from './world.mjs';

const workos = client();

/** A client with an API key of its own, so that its limits are nobody else's. */
async function own(name) {
  const { data } = await workos.post('/environment/api_keys', { name });
  return client({ apiKey: data.value, maxRetries: 0 });
}

test('a request with an idempotency key is carried out once', async () => {
  const once = { idempotencyKey: 'created-once' };
  const first = await workos.organizations.createOrganization({ name: 'Once' }, once);
  const again = await workos.organizations.createOrganization({ name: 'Once' }, once);
  assert.deepEqual(again, first);
  const all = await (await workos.organizations.listOrganizations()).autoPagination();
  assert.equal(all.filter(({ name }) => name === 'Once').length, 1);
  await refused(
    workos.organizations.createOrganization({ name: 'Twice' }, once),
    'UnprocessableEntityException',
    { code: 'idempotency_key_reused' },
  );
});

test('who deletes too many organizations is told how long to wait', async () => {
  const hasty = await own('hasty');
  const nobody = 'org_00000000000000000000000000';
  for (let n = 0; n < 50; n += 1) {
    await refused(hasty.organizations.deleteOrganization(nobody), 'NotFoundException');
  }
  const error = await refused(
    hasty.organizations.deleteOrganization(nobody),
    'RateLimitExceededException',
    { status: 429, message: /^Too many requests/ },
  );
  assert.ok(Number.isInteger(error.retryAfter) && error.retryAfter >= 1, error.retryAfter);
  // Other calls, and other keys, go on.
  await hasty.organizations.getOrganization(demo.organization_id);
  await refused(workos.organizations.deleteOrganization(nobody), 'NotFoundException');
});

test('an API key of an organization is created, validated, listed and deleted', async () => {
  const { apiKeys } = workos;
  const { id } = await workos.organizations.createOrganization({ name: 'Keys' });
  const created = await apiKeys.createOrganizationApiKey({ organizationId: id, name: 'CI' });
  assert.match(created.value, /^sk_/);
  assert.equal(created.owner.id, id);
  const { apiKey } = await apiKeys.createValidation({ value: created.value });
  assert.equal(apiKey.id, created.id);
  const list = await apiKeys.listOrganizationApiKeys({ organizationId: id });
  assert.deepEqual(list.data.map(({ name }) => name), ['CI']);
  await apiKeys.deleteApiKey(created.id);
  assert.equal((await apiKeys.createValidation({ value: created.value })).apiKey, null);
  await refused(apiKeys.deleteApiKey(created.id), 'NotFoundException');
});
