import { createIdSource, DEFAULT_ORG_ID, ROLE_PERMISSIONS, toPublicId, withinScopes } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import { createAccount, joinOrganization } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Caller } from './caller.ts';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

/** What a token may be, whoever asks for it. Whom it lets in is shown with real credentials elsewhere. */
const ids = createIdSource();
const OTHER_ORG = ids.next();
const DEFAULT = toPublicId('organization', DEFAULT_ORG_ID);
const OTHER = toPublicId('organization', OTHER_ORG);
const PATH = '/v1/auth/personal-access-tokens';
const ACCOUNTS = '/v1/service-accounts';

let app: TestApp;
let userId: Uuid;
let caller: Caller;
beforeAll(async () => {
  app = await testApp({ authenticate: () => caller, tokens: { perUser: 4, serviceAccountsPerOrg: 3 } });
  await app.db.run({ name: '', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER_ORG]);
});
afterAll(() => app.close());

async function person(role: Role = 'owner'): Promise<void> {
  userId = ids.next();
  await createAccount(app.db, { userId, email: `${userId}@example.com`, name: 'Person', passwordHash: 'hash' });
  await joinOrganization(app.db, { orgId: DEFAULT_ORG_ID, userId, role });
  caller = as(role);
}

function as(role: Role, credential: Partial<Caller['credential']> = {}): Caller {
  const scopes = credential.scopes ?? ['*'];
  const permissions = withinScopes(ROLE_PERMISSIONS[role], scopes);
  const used = { kind: 'login', id: null, boundOrgId: null, ...credential, scopes } as const;
  return { userId, orgId: DEFAULT_ORG_ID, role, permissions, isPlatformUser: false, credential: used };
}

/** From here on the token that is made calls. */
async function callWith(body: object, credential: Partial<Caller['credential']> = {}): Promise<void> {
  const made = (await app.call('POST', PATH, body)).json;
  const boundOrgId = made['organization_id'] === undefined ? null : DEFAULT_ORG_ID;
  caller = as('owner', { kind: 'personal_access_token', id: textOf(made['id']), boundOrgId, ...credential });
}

describe('a personal access token', () => {
  test('is shown once, bound to the chosen organization, with the scopes that it was given', async () => {
    await person();
    const made = await app.call('POST', PATH, { name: 'ci', scopes: ['read'], expires_in_days: 30 });
    expect(made).toMatchObject({
      status: 201,
      json: { name: 'ci', scopes: ['read'], organization_id: DEFAULT, all_organizations: false, metadata: { source: 'web_ui' } },
    });
    const key = textOf(made.json['key']);
    expect(key).toMatch(/^evr_pat_[0-9a-f]{64}$/);
    expect(made.json['key_prefix']).toBe(`${key.slice(0, 16)}...`);
    const days = (Date.parse(textOf(made.json['expires_at'])) - Date.parse(textOf(made.json['created_at']))) / 86_400_000;
    expect(days).toBeCloseTo(30, 3);
    const listed = await app.call('GET', PATH);
    expect(rowsOf(listed.json['data'])).toMatchObject([{ id: made.json['id'], key_prefix: `${key.slice(0, 16)}...` }]);
    expect(listed.text).not.toContain(key);
  });

  test('reaches all organizations when that is asked for, and another one only for its members', async () => {
    await person();
    expect((await app.call('POST', PATH, { name: 'all', all_organizations: true })).json).toMatchObject({ all_organizations: true });
    const foreign = await app.call('POST', PATH, { name: 'x', organization_id: OTHER });
    const missing = await app.call('POST', PATH, { name: 'x', organization_id: toPublicId('organization', ids.next()) });
    expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
    expect(await app.call('POST', PATH, { name: 'x', organization_id: DEFAULT, all_organizations: true })).toMatchObject({ status: 400 });
    caller = { ...caller, orgId: null };
    expect((await app.call('POST', PATH, { name: 'x' })).json).toMatchObject({ code: 'organization_required', field: 'organization_id' });
    expect((await app.call('POST', PATH, { name: 'x', organization_id: DEFAULT })).status).toBe(201);
  });

  test.each([
    [{ name: 'x', scopes: ['write'] }, 400, 'unsupported_pat_scopes'],
    [{ name: 'x', scopes: ['*', 'org:agents:*'] }, 400, 'unsupported_pat_scopes'],
    [{ name: 'x', scopes: [] }, 400, 'invalid_request'],
    [{ name: '  ' }, 400, 'invalid_request'],
    [{}, 400, 'invalid_request'],
    [{ name: 'x', expires_in_days: 0 }, 400, 'invalid_request'],
    [{ name: 'x', expires_in_days: 1.5 }, 400, 'invalid_request'],
    [{ name: 'x', expires_in_days: 1e9 }, 400, 'invalid_request'],
    [{ name: 'x', organization_id: 'org_1' }, 400, 'malformed_id'],
  ])('%j is refused with %i %s', async (body, status, code) => {
    await person();
    expect(await app.call('POST', PATH, body)).toMatchObject({ status, json: { code } });
    expect(rowsOf((await app.call('GET', PATH)).json['data'])).toEqual([]);
  });

  test('is one of so many, also when many are asked for at once', async () => {
    await person();
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => app.call('POST', PATH, { name: 'x' })))).map(
      ({ status }) => status,
    );
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 201, 201, 201, 409, 409, 409, 409]);
    expect((await app.call('POST', PATH, { name: 'x' })).json).toMatchObject({ code: 'resource_limit_reached' });
  });

  test('makes none that can do more, reaches further or lasts longer, and takes what it made with it', async () => {
    await person();
    await callWith({ name: 'maker', expires_in_days: 1 });
    const maker = caller;
    const child = await app.call('POST', PATH, { name: 'child', expires_in_days: 300 });
    expect(child).toMatchObject({ status: 201, json: { organization_id: DEFAULT, metadata: { source: 'api' } } });
    expect(Date.parse(textOf(child.json['expires_at'])) - Date.now()).toBeLessThan(86_400_000);
    expect(await app.call('POST', PATH, { name: 'x', all_organizations: true })).toMatchObject({ status: 403 });
    await joinOrganization(app.db, { orgId: OTHER_ORG, userId, role: 'owner' });
    expect(await app.call('POST', PATH, { name: 'x', organization_id: OTHER })).toMatchObject({ status: 404 });
    caller = { ...as('owner'), orgId: OTHER_ORG };
    const elsewhere = textOf((await app.call('POST', PATH, { name: 'elsewhere' })).json['id']);
    caller = maker;
    expect(rowsOf((await app.call('GET', PATH)).json['data']).map(({ name }) => name)).toEqual(['child', 'maker']);
    expect((await app.call('DELETE', `${PATH}/${elsewhere}`)).status).toBe(404);
    expect((await app.call('DELETE', `${PATH}/${maker.credential.id}`)).status).toBe(204);
    expect(await app.call('POST', PATH, { name: 'x' })).toMatchObject({ status: 401 });
    caller = as('owner');
    expect(rowsOf((await app.call('GET', PATH)).json['data']).map(({ name }) => name)).toEqual(['elsewhere']);
  });

  test('of narrow scopes, and a client of /mcp, change nothing about who gets in', async () => {
    await person();
    await callWith({ name: 'narrow', scopes: ['read'] }, { scopes: ['read'] });
    const id = caller.credential.id;
    for (const credential of [caller.credential, { ...caller.credential, kind: 'mcp_access_token', scopes: ['*'] } as const]) {
      caller = { ...caller, credential };
      expect((await app.call('POST', PATH, { name: 'x' })).status).toBe(403);
      expect((await app.call('GET', PATH)).status).toBe(403);
      expect((await app.call('DELETE', `${PATH}/${id}`)).status).toBe(403);
    }
  });

  test('is nobody else’s to see or remove', async () => {
    await person();
    const id = textOf((await app.call('POST', PATH, { name: 'mine' })).json['id']);
    await person();
    const [foreign, missing] = [await app.call('DELETE', `${PATH}/${id}`), await app.call('DELETE', `${PATH}/${ids.next()}`)];
    expect([foreign.status, missing.status]).toEqual([404, 404]);
    expect(foreign.json['detail']).toBe(missing.json['detail']);
    expect(rowsOf((await app.call('GET', PATH)).json['data'])).toEqual([]);
    expect((await app.call('DELETE', `${PATH}/no-uuid`)).status).toBe(400);
  });

  test('may have the scopes that are listed', async () => {
    await person();
    const scopes = rowsOf((await app.call('GET', '/v1/auth/scopes')).json['data']);
    expect(scopes).toContainEqual({ scope: 'org:mcp-servers:manage', description: 'Make and change mcp servers' });
    for (const { scope } of scopes.slice(0, 4)) expect((await app.call('POST', PATH, { name: 'x', scopes: [scope] })).status).toBe(201);
  });
});

describe('a service account', () => {
  test('is made, given tokens, changed and removed by administrators, and no member of the people', async () => {
    await person('admin');
    const made = await app.call('POST', ACCOUNTS, { name: 'deploy', role: 'admin' });
    expect(made).toMatchObject({ status: 201, json: { name: 'deploy', role: 'admin', token_count: 0 } });
    const one = `${ACCOUNTS}/${textOf(made.json['id'])}`;
    const token = await app.call('POST', `${one}/tokens`, { name: 'ci', scopes: ['read'] });
    expect(token).toMatchObject({ status: 201, json: { organization_id: DEFAULT, all_organizations: false, scopes: ['read'] } });
    const changed = await app.call('PATCH', one, { name: 'ship', description: 'ships', role: 'member' });
    expect(changed.json).toMatchObject({ name: 'ship', description: 'ships', role: 'member', token_count: 1 });
    expect((await app.call('PATCH', one, { description: null })).json['description']).toBeUndefined();
    const tokens = await app.call('GET', `${one}/tokens`);
    expect(rowsOf(tokens.json['data'])).toMatchObject([{ id: token.json['id'] }]);
    expect(tokens.text).not.toContain(token.json['key']);
    expect((await app.call('DELETE', `${one}/tokens/${textOf(token.json['id'])}`)).status).toBe(204);
    expect((await app.call('GET', '/v1/users')).text).not.toContain('service-account');
    expect((await app.call('DELETE', one)).status).toBe(204);
    expect((await app.call('GET', one)).status).toBe(404);
  });

  test('has at most the role of who makes, changes or uses it', async () => {
    await person('owner');
    const owner = textOf((await app.call('POST', ACCOUNTS, { name: 'owner', role: 'owner' })).json['id']);
    await person('admin');
    const refused = await Promise.all([
      app.call('POST', ACCOUNTS, { name: 'x', role: 'owner' }),
      app.call('PATCH', `${ACCOUNTS}/${owner}`, { role: 'member' }),
      app.call('POST', `${ACCOUNTS}/${owner}/tokens`, { name: 'x' }),
      app.call('DELETE', `${ACCOUNTS}/${owner}`),
    ]);
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    await person('member');
    expect((await app.call('POST', ACCOUNTS, { name: 'x' })).status).toBe(403);
    caller = as('owner', { kind: 'personal_access_token', scopes: ['org:api-keys:manage'] });
    expect((await app.call('POST', `${ACCOUNTS}/${owner}/tokens`, { name: 'x', scopes: ['*'] })).status).toBe(403);
    const narrow = await app.call('POST', `${ACCOUNTS}/${owner}/tokens`, { name: 'x' });
    expect(narrow).toMatchObject({ status: 201, json: { scopes: ['org:api-keys:manage'] } });
  });

  test('of another organization, and a person, are not there', async () => {
    await person('owner');
    const id = textOf((await app.call('POST', ACCOUNTS, { name: 'mine' })).json['id']);
    const calls: [string, string, object?][] = [
      ['GET', ''],
      ['PATCH', '', { name: 'x' }],
      ['DELETE', ''],
      ['GET', '/tokens'],
      ['POST', '/tokens', { name: 'x' }],
      ['DELETE', `/tokens/${ids.next()}`],
    ];
    for (const [method, rest, body] of calls) {
      expect((await app.call(method, `${ACCOUNTS}/${userId}${rest}`, body)).status).toBe(404);
    }
    caller = { ...caller, orgId: OTHER_ORG };
    for (const [method, rest, body] of calls) expect((await app.call(method, `${ACCOUNTS}/${id}${rest}`, body)).status).toBe(404);
  });

  test('is one of so many', async () => {
    await person('owner');
    await Promise.all(Array.from({ length: 5 }, () => app.call('POST', ACCOUNTS, { name: 'x' })));
    expect(rowsOf((await app.call('GET', ACCOUNTS)).json['data'])).toHaveLength(3);
    expect((await app.call('POST', ACCOUNTS, { name: 'x' })).json).toMatchObject({ code: 'resource_limit_reached' });
  });
});
