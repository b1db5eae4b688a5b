import assert from 'node:assert/strict';
import { client, demo, refused, test } from './world.mjs';

const workos = client();
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const NOBODY = 'org_00000000000000000000000000';

test('an organization is created, read, changed and deleted', async () => {
  const created = await workos.organizations.createOrganization({
    name: 'Analytical Engines',
    domainData: [{ domain: 'engines.example', state: 'verified' }],
    externalId: 'engines-1',
    metadata: { tier: 'gold' },
  });
  assert.equal(created.object, 'organization');
  assert.match(created.id, /^org_/);
  assert.equal(created.name, 'Analytical Engines');
  assert.equal(created.externalId, 'engines-1');
  assert.deepEqual(created.metadata, { tier: 'gold' });
  assert.match(created.createdAt, MOMENT);
  assert.equal(created.domains.length, 1);
  assert.equal(created.domains[0].domain, 'engines.example');
  assert.equal(created.domains[0].state, 'verified');
  assert.equal(created.domains[0].organizationId, created.id);

  assert.deepEqual(await workos.organizations.getOrganization(created.id), created);
  assert.deepEqual(
    await workos.organizations.getOrganizationByExternalId('engines-1'),
    created,
  );

  const changed = await workos.organizations.updateOrganization({
    organization: created.id,
    name: 'Difference Engines',
    metadata: { tier: null, seats: '5' },
  });
  assert.equal(changed.name, 'Difference Engines');
  assert.deepEqual(changed.metadata, { seats: '5' });
  assert.equal(changed.externalId, 'engines-1');
  assert.equal(changed.domains.length, 1);

  assert.equal(await workos.organizations.deleteOrganization(created.id), undefined);
  await refused(workos.organizations.getOrganization(created.id), 'NotFoundException', {
    status: 404,
    message: `Organization not found: '${created.id}'.`,
  });
});

test('auto-pagination finds every organization once', async () => {
  const names = Array.from({ length: 103 }, (_, n) => `Page ${String(n).padStart(3, '0')}`);
  for (const name of names) await workos.organizations.createOrganization({ name });
  const ours = (list) => list.map(({ name }) => name).filter((name) => name.startsWith('Page '));

  const first = await workos.organizations.listOrganizations({ limit: 5 });
  assert.equal(first.data.length, 5);
  assert.equal(first.listMetadata.before, null);
  assert.match(first.listMetadata.after, /^org_/);
  assert.equal((await first.autoPagination()).length, 5);

  const newest = await workos.organizations.listOrganizations();
  assert.equal(newest.data.length, 10);
  assert.deepEqual(ours(await newest.autoPagination()), [...names].reverse());
  const oldest = await workos.organizations.listOrganizations({ order: 'asc' });
  assert.deepEqual(ours(await oldest.autoPagination()), names);

  const acme = await workos.organizations.listOrganizations({ domains: ['acme.example'] });
  assert.deepEqual(acme.data.map(({ id }) => id), [demo.organization_id]);
  const none = await workos.organizations.listOrganizations({ domains: ['nobody.example'] });
  assert.deepEqual(await none.autoPagination(), []);
  assert.deepEqual(none.listMetadata, { before: null, after: null });
});

test('a domain of an organization is created, read, verified and deleted', async () => {
  const { id } = await workos.organizations.createOrganization({ name: 'Domains' });
  const domains = workos.organizationDomains;
  const wanted = { organizationId: id, domain: 'domains.example' };
  const created = await domains.createOrganizationDomain(wanted);
  assert.equal(created.object, 'organization_domain');
  assert.equal(created.organizationId, id);
  assert.equal(created.state, 'pending');
  assert.equal(created.verificationStrategy, 'dns');
  assert.ok(created.verificationToken);
  assert.deepEqual(await domains.getOrganizationDomain(created.id), created);
  assert.equal((await domains.verifyOrganizationDomain(created.id)).id, created.id);
  await domains.deleteOrganizationDomain(created.id);
  await refused(domains.getOrganizationDomain(created.id), 'NotFoundException', { status: 404 });
});

test('connections are listed, read and deleted', async () => {
  const [connection] = (
    await workos.sso.listConnections({ organizationId: demo.organization_id })
  ).data;
  assert.equal(connection.object, 'connection');
  assert.equal(connection.id, demo.connection_id);
  assert.equal(connection.organizationId, demo.organization_id);
  assert.equal(connection.type, 'OktaOIDC');
  assert.equal(connection.state, 'active');
  assert.deepEqual(connection.domains.map(({ domain }) => domain), ['acme.example']);
  assert.match(connection.updatedAt, MOMENT);
  assert.deepEqual(await workos.sso.getConnection(demo.connection_id), connection);

  const { id } = await workos.organizations.createOrganization({ name: 'Connections' });
  for (const name of ['First', 'Second']) {
    // The SDK cannot create connections; WorkOS has no such call.
    const body = { organization_id: id, connection_type: 'GenericOIDC', name };
    const { data } = await workos.post('/connections', body);
    assert.equal(data.name, name);
  }
  const list = await workos.sso.listConnections({ organizationId: id, order: 'asc' });
  const drafts = await list.autoPagination();
  assert.deepEqual(drafts.map(({ name }) => name), ['First', 'Second']);
  assert.deepEqual(
    (await workos.sso.listConnections({ connectionType: 'GenericOIDC', domain: 'acme.example' }))
      .data,
    [],
  );
  await workos.sso.deleteConnection(drafts[0].id);
  await refused(workos.sso.getConnection(drafts[0].id), 'NotFoundException', {
    message: `Connection not found: '${drafts[0].id}'.`,
  });
  const rest = await workos.sso.listConnections({ organizationId: id });
  assert.deepEqual(rest.data.map(({ name }) => name), ['Second']);
});

test('redirect URIs are registered, listed and removed', async () => {
  // This major of the SDK has no method for them, but the call is WorkOS's.
  const path = '/user_management/redirect_uris';
  const uri = 'https://app.example.com/callback';
  const { data: created } = await workos.post(path, { uri });
  assert.equal(created.object, 'redirect_uri');
  assert.equal(created.uri, uri);
  const { data: list } = await workos.get(path);
  assert.ok(list.data.some(({ id }) => id === created.id));
  await refused(workos.post(path, { uri }), 'UnprocessableEntityException', {
    status: 422,
    message: `Redirect URI '${uri}' already exists.`,
  });
  await workos.delete(`${path}/${created.id}`);
  await refused(workos.delete(`${path}/${created.id}`), 'NotFoundException');
});

test('permissions and roles of the environment', async () => {
  const { authorization } = workos;
  const read = await authorization.createPermission({ slug: 'reports:read', name: 'Read reports' });
  assert.equal(read.slug, 'reports:read');
  await authorization.createPermission({ slug: 'reports:write', name: 'Write reports' });
  assert.deepEqual(await authorization.getPermission('reports:read'), read);
  const renamed = await authorization.updatePermission('reports:read', { name: 'See reports' });
  assert.equal(renamed.name, 'See reports');
  const permissions = await (await authorization.listPermissions()).autoPagination();
  assert.equal(permissions.filter(({ slug }) => slug.startsWith('reports:')).length, 2);

  const role = await authorization.createEnvironmentRole({ slug: 'analyst', name: 'Analyst' });
  assert.equal(role.type, 'EnvironmentRole');
  assert.deepEqual(role.permissions, []);
  const both = ['reports:read', 'reports:write'];
  const set = await authorization.setEnvironmentRolePermissions('analyst', { permissions: both });
  assert.deepEqual([...set.permissions].sort(), both);
  const changed = await authorization.updateEnvironmentRole('analyst', { name: 'Senior analyst' });
  assert.equal(changed.name, 'Senior analyst');
  assert.deepEqual(await authorization.getEnvironmentRole('analyst'), changed);
  const slugs = (await authorization.listEnvironmentRoles()).data.map(({ slug }) => slug);
  assert.ok(['admin', 'engineer', 'member', 'analyst'].every((slug) => slugs.includes(slug)));

  await refused(
    authorization.createEnvironmentRole({ slug: 'analyst', name: 'Again' }),
    'ConflictException',
    { status: 409, code: 'role_slug_conflict' },
  );
  await authorization.deletePermission('reports:write');
  await refused(authorization.getPermission('reports:write'), 'NotFoundException');
  const left = await authorization.getEnvironmentRole('analyst');
  assert.deepEqual(left.permissions, ['reports:read']);
});

test('roles of an organization', async () => {
  const { authorization } = workos;
  const { id } = await workos.organizations.createOrganization({ name: 'Roles' });
  const created = await authorization.createOrganizationRole(id, {
    slug: 'org-auditor',
    name: 'Auditor',
  });
  assert.equal(created.type, 'OrganizationRole');
  assert.equal(created.slug, 'org-auditor');
  await authorization.createPermission({ slug: 'audit:read', name: 'Read the audit log' });
  const granted = await authorization.addOrganizationRolePermission(id, 'org-auditor', {
    permissionSlug: 'audit:read',
  });
  assert.deepEqual(granted.permissions, ['audit:read']);
  const list = (await authorization.listOrganizationRoles(id)).data;
  assert.ok(list.some(({ slug, type }) => slug === 'org-auditor' && type === 'OrganizationRole'));
  assert.ok(list.some(({ slug, type }) => slug === 'admin' && type === 'EnvironmentRole'));
  await authorization.removeOrganizationRolePermission(id, 'org-auditor', {
    permissionSlug: 'audit:read',
  });
  assert.deepEqual((await authorization.getOrganizationRole(id, 'org-auditor')).permissions, []);
  await authorization.deleteOrganizationRole(id, 'org-auditor');
  await refused(authorization.getOrganizationRole(id, 'org-auditor'), 'NotFoundException');
});

test('events are read in the order in which they happened, page by page', async () => {
  const { id } = await workos.organizations.createOrganization({
    name: 'Events',
    domainData: [{ domain: 'events.example', state: 'pending' }],
  });
  await workos.organizations.updateOrganization({ organization: id, name: 'Events again' });
  const wanted = ['organization.created', 'organization.updated'];
  const seen = [];
  let after;
  for (;;) {
    const options = { events: wanted, organizationId: id, order: 'asc', limit: 1, after };
    const page = await workos.events.listEvents(options);
    seen.push(...page.data);
    if (!page.data.length || !page.listMetadata.after) break;
    after = page.listMetadata.after;
  }
  assert.deepEqual(seen.map(({ event }) => event), wanted);
  assert.match(seen[0].id, /^event_/);
  assert.match(seen[0].createdAt, MOMENT);
  assert.equal(seen[0].data.id, id);
  assert.equal(seen[0].data.object, 'organization');
  assert.equal(seen[1].data.name, 'Events again');

  const activated = await workos.events.listEvents({ events: ['connection.activated'] });
  assert.equal(activated.data[0].data.id, demo.connection_id);
  assert.equal(activated.data[0].data.type, 'OktaOIDC');
  await refused(
    workos.events.listEvents({ events: ['organization.exploded'] }),
    'UnprocessableEntityException',
    { status: 422, message: /must be met:\n\tunknown_event_type/ },
  );
});

test('what goes wrong arrives as the exception of the SDK', async () => {
  await refused(client({ apiKey: 'sk_test_nobody' }).organizations.listOrganizations(),
    'UnauthorizedException', { status: 401 });
  await refused(workos.organizations.getOrganization(NOBODY), 'NotFoundException', {
    status: 404,
    message: `Organization not found: '${NOBODY}'.`,
  });
  await refused(workos.get('/nothing/here'), 'NotFoundException', { status: 404 });
  await refused(workos.organizations.createOrganization({ name: '' }),
    'UnprocessableEntityException', { status: 422, message: /^The following requirement must be met/ });
  await refused(workos.post('/organizations', null), 'UnprocessableEntityException');
  await workos.organizations.createOrganization({ name: 'One', externalId: 'taken' });
  await refused(workos.organizations.createOrganization({ name: 'Two', externalId: 'taken' }),
    'GenericServerException', { status: 400, code: 'external_id_already_used' });
  await refused(workos.organizations.listOrganizations({ limit: 1000 }),
    'UnprocessableEntityException', { status: 422 });
});

test('a call of a face that is not there yet is a clean 404', async () => {
  await refused(workos.directorySync.getDirectory('directory_1'), 'NotFoundException');
});
