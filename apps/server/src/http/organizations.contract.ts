import { createIdSource, DEFAULT_ORG_ID, fromPublicId, toPublicId } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import { pruneAll } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { purgeClosed } from '../services/closed-organizations.ts';
import { streamsAndMonitoring } from './testing/all-routes.ts';
import { makeBelongings } from './testing/belongings.ts';
import { as, people, withToken } from './testing/people.ts';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

const ids = createIdSource();
const known = people(() => app.db);
let app: TestApp;
let closed: Uuid[] = [];
let names = 0;

beforeAll(async () => {
  app = await testApp({
    authenticate: known.authenticate,
    plugins: streamsAndMonitoring,
    organizations: { organizationsPerUser: 3, membersPerOrg: 4 },
    organizationsClosed: (orgIds) => void closed.push(...orgIds),
  });
});
afterAll(() => app.close());

const anybody = (isVerified = true): Promise<Uuid> => known.person(app.db, `somebody-${++names}@example.com`, isVerified);
const publicOrg = (orgId: Uuid): string => toPublicId('organization', orgId);

async function organization(owner: Uuid, name = 'Acme'): Promise<Uuid> {
  const made = await app.call('POST', '/v1/orgs', { name }, as(owner));
  expect(made.status).toBe(201);
  return fromPublicId('organization', textOf(made.json.id)) as Uuid;
}

async function member(orgId: Uuid, role: Role): Promise<Uuid> {
  const userId = await anybody();
  await known.join(app.db, orgId, userId, role);
  return userId;
}

const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status).sort((a, b) => a - b);
const withoutInstance = ({ text }: Answer): string => text.replace(/"instance":"[^"]*"/, '');

describe('organizations', () => {
  it('belong to whoever makes them, and start with the built-in harnesses', async () => {
    const owner = await anybody();
    const orgId = await organization(owner, '  Rocket works ');
    const org = await app.call('GET', `/v1/orgs/${publicOrg(orgId)}`, undefined, as(owner));
    expect(org.json).toMatchObject({ id: publicOrg(orgId), name: 'Rocket works' });
    const harnesses = rowsOf((await app.call('GET', '/v1/harnesses', undefined, as(owner, orgId))).json.data);
    const nameOf = (id: unknown): unknown => harnesses.find((harness) => harness.id === id)?.name;
    expect([nameOf(org.json.default_harness_id), nameOf(org.json.base_harness_id)]).toEqual(['generic', 'base']);
    expect(rowsOf((await app.call('GET', `/v1/orgs/${publicOrg(orgId)}/members`, undefined, as(owner))).json.data)).toMatchObject([
      { user_id: owner, role: 'owner' },
    ]);
  });

  it('are as many as the limit says, however many are made at once', async () => {
    const owner = await anybody();
    const answers = await Promise.all(Array.from({ length: 6 }, () => app.call('POST', '/v1/orgs', { name: 'Again' }, as(owner))));
    expect(statuses(answers)).toEqual([201, 201, 201, 409, 409, 409]);
    expect(answers.find(({ status }) => status === 409)?.json.code).toBe('resource_limit_reached');
    expect(rowsOf((await app.call('GET', '/v1/orgs', undefined, as(owner))).json.data)).toHaveLength(3);
    expect((await app.call('POST', '/v1/orgs', { name: '   ' }, as(await anybody()))).status).toBe(400);
  });

  it('are changed by who manages settings there, wherever else they are', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const elsewhere = await organization(owner, 'Elsewhere');
    const admin = await member(orgId, 'admin');
    const plain = await member(orgId, 'member');
    await known.join(app.db, elsewhere, plain, 'owner');
    const rename = (headers: Record<string, string>) => app.call('PATCH', `/v1/orgs/${publicOrg(orgId)}`, { name: 'New' }, headers);
    // Owner of the chosen one, but a plain member of the one in the path.
    expect((await rename(as(plain, elsewhere))).status).toBe(403);
    // The path is the choice: nothing else has to be chosen.
    expect((await rename(as(admin))).json).toMatchObject({ name: 'New' });
    expect((await rename(as(owner, elsewhere))).status).toBe(200);
    const done = await app.call('POST', `/v1/orgs/${publicOrg(orgId)}/onboarding/complete`, undefined, as(admin));
    const again = await app.call('POST', `/v1/orgs/${publicOrg(orgId)}/onboarding/complete`, undefined, as(admin));
    expect(again.json.onboarding_completed_at).toEqual(done.json.onboarding_completed_at);
    expect(done.json.onboarding_completed_at).toBeTypeOf('string');
  });

  it('of others are as good as missing, in every route, byte for byte', async () => {
    const orgId = await organization(await anybody());
    const stranger = await anybody();
    await organization(stranger, 'Own');
    const missing = ids.next();
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'Mine' }],
      ['POST', '/onboarding/complete', undefined],
      ['GET', '/config', undefined],
      ['GET', '/members', undefined],
      ['PATCH', `/members/${stranger}`, { role: 'owner' }],
      ['DELETE', `/members/${stranger}`, undefined],
      ['GET', '/invites', undefined],
      ['POST', '/invites', { email: 'x@example.com' }],
      ['DELETE', `/invites/${toPublicId('invitation', ids.next())}`, undefined],
      ['GET', '/audit-logs', undefined],
    ] as const) {
      const [foreign, nowhere] = await Promise.all(
        [orgId, missing].map((id) => app.call(method, `/v1/orgs/${publicOrg(id)}${path}`, body, as(stranger))),
      );
      expect([foreign?.status, withoutInstance(foreign as Answer)]).toEqual([404, withoutInstance(nowhere as Answer)]);
    }
    expect((await app.call('GET', '/v1/orgs/nonsense/members', undefined, as(stranger))).json.code).toBe('malformed_id');
  });

  it('are chosen by a cookie that pages can read', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const chosen = await app.call('POST', '/v1/users/me/switch-org', { org_id: publicOrg(orgId) }, as(owner));
    expect(chosen.json).toEqual({ org_id: publicOrg(orgId), success: true });
    expect(chosen.headers.get('set-cookie')).toMatch(new RegExp(`^everruns_org=${publicOrg(orgId)}; Path=/; SameSite=Lax; Max-Age=\\d+$`));
    const foreign = await app.call('POST', '/v1/users/me/switch-org', { org_id: publicOrg(DEFAULT_ORG_ID) }, as(owner));
    expect([foreign.status, foreign.headers.get('set-cookie')]).toEqual([404, null]);
  });

  it('are told of for ids of their things, to members alone', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const resolve = (id: string, who: Record<string, string>) => app.call('GET', `/v1/resolve-org?id=${id}`, undefined, who);
    const agent = textOf((await app.call('POST', '/v1/agents', { name: 'found', system_prompt: 'x' }, as(owner, orgId))).json.id);
    const session = textOf((await app.call('POST', '/v1/sessions', {}, as(owner, orgId))).json.id);
    for (const id of [agent, session, publicOrg(orgId)]) {
      expect((await resolve(id, as(owner))).json).toEqual({ org_id: publicOrg(orgId), org_name: 'Acme' });
    }
    const stranger = await anybody();
    const [foreign, nowhere] = await Promise.all([resolve(agent, as(stranger)), resolve(toPublicId('agent', ids.next()), as(stranger))]);
    expect([foreign.status, withoutInstance(foreign)]).toEqual([404, withoutInstance(nowhere)]);
    expect((await resolve(toPublicId('turn', ids.next()), as(owner))).status).toBe(404);
    expect((await resolve('agent_1', as(owner))).json.code).toBe('malformed_id');
    expect((await resolve(agent, withToken(as(owner, orgId), { bound: orgId }))).status).toBe(200);
  });

  it('say what the caller may do in them', async () => {
    const orgId = await organization(await anybody());
    const policiesOf = async (role: Role) =>
      (await app.call('GET', `/v1/orgs/${publicOrg(orgId)}/config`, undefined, as(await member(orgId, role)))).json.policies;
    expect(await policiesOf('member')).toMatchObject({ 'member.view': true, 'member.manage': false, 'audit_log.view': false });
    expect(await policiesOf('admin')).toMatchObject({ 'organization.manage': true, 'member.manage': true, 'audit_log.view': true });
  });
});

describe('a token that is bound to one organization', () => {
  it('knows of no other, and is none for the account', async () => {
    const owner = await anybody();
    const [orgId, other] = [await organization(owner), await organization(owner, 'Other')];
    const token = withToken(as(owner, orgId), { bound: orgId });
    expect(rowsOf((await app.call('GET', '/v1/orgs', undefined, token)).json.data).map(({ id }) => id)).toEqual([publicOrg(orgId)]);
    expect(rowsOf((await app.call('GET', '/v1/auth/me', undefined, token)).json.organizations)).toHaveLength(1);
    expect((await app.call('GET', `/v1/orgs/${publicOrg(other)}/members`, undefined, token)).status).toBe(404);
    expect((await app.call('GET', `/v1/resolve-org?id=${publicOrg(other)}`, undefined, token)).status).toBe(404);
    expect((await app.call('POST', '/v1/users/me/switch-org', { org_id: publicOrg(other) }, token)).status).toBe(404);
    for (const [method, path, body] of [
      ['POST', '/v1/orgs', { name: 'Third' }],
      ['GET', '/v1/users/me/export', undefined],
      ['DELETE', '/v1/users/me', undefined],
      ['POST', `/v1/invites/evrinv_${'0'.repeat(64)}/accept`, undefined],
    ] as const) {
      expect((await app.call(method, path, body, token)).status).toBe(403);
    }
  });
});

describe('members', () => {
  const role = (orgId: Uuid, userId: Uuid, to: Role, by: Uuid) =>
    app.call('PATCH', `/v1/orgs/${publicOrg(orgId)}/members/${userId}`, { role: to }, as(by));
  const remove = (orgId: Uuid, userId: Uuid, by: Uuid) =>
    app.call('DELETE', `/v1/orgs/${publicOrg(orgId)}/members/${userId}`, undefined, as(by));

  it('get no role above that of whoever gives it', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const [admin, plain] = [await member(orgId, 'admin'), await member(orgId, 'member')];
    expect((await role(orgId, admin, 'owner', admin)).status).toBe(403);
    expect((await role(orgId, plain, 'owner', admin)).status).toBe(403);
    expect((await role(orgId, owner, 'member', admin)).status).toBe(403);
    expect((await role(orgId, plain, 'admin', plain)).status).toBe(403);
    expect((await remove(orgId, owner, admin)).status).toBe(403);
    expect((await remove(orgId, admin, plain)).status).toBe(403);
    expect((await role(orgId, plain, 'admin', admin)).json).toMatchObject({ user_id: plain, role: 'admin' });
    expect((await role(orgId, plain, 'owner', owner)).json).toMatchObject({ role: 'owner' });
    expect((await role(orgId, ids.next(), 'member', owner)).status).toBe(404);
  });

  it('leave and are removed, but an owner stays', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const [admin, plain] = [await member(orgId, 'admin'), await member(orgId, 'member')];
    expect((await remove(orgId, owner, owner)).json.code).toBe('last_owner');
    expect((await role(orgId, owner, 'admin', owner)).json.code).toBe('last_owner');
    const reader = withToken(as(plain, orgId), { scopes: 'read' });
    expect((await app.call('DELETE', `/v1/orgs/${publicOrg(orgId)}/members/${plain}`, undefined, reader)).status).toBe(403);
    expect((await remove(orgId, plain, plain)).status).toBe(204);
    expect((await remove(orgId, admin, owner)).status).toBe(204);
    expect((await app.call('GET', `/v1/orgs/${publicOrg(orgId)}`, undefined, as(admin))).status).toBe(404);
    expect((await remove(orgId, admin, owner)).status).toBe(404);
  });

  it('and invitations of another organization are as good as missing', async () => {
    const [owner, other] = [await anybody(), await anybody()];
    const [orgId, foreign] = [await organization(owner), await organization(other)];
    const theirs = await member(foreign, 'member');
    const invited = await app.call('POST', `/v1/orgs/${publicOrg(foreign)}/invites`, { email: 'theirs@example.com' }, as(other));
    for (const [method, path, nobody, body] of [
      ['PATCH', `/members/${theirs}`, `/members/${ids.next()}`, { role: 'admin' }],
      ['DELETE', `/members/${theirs}`, `/members/${ids.next()}`, undefined],
      ['DELETE', `/invites/${textOf(invited.json.id)}`, `/invites/${toPublicId('invitation', ids.next())}`, undefined],
    ] as const) {
      const [known, missing] = await Promise.all(
        [path, nobody].map((at) => app.call(method, `/v1/orgs/${publicOrg(orgId)}${at}`, body, as(owner))),
      );
      expect([known?.status, withoutInstance(known as Answer)]).toEqual([404, withoutInstance(missing as Answer)]);
    }
  });

  it('that own it and demote each other at once leave one owner', async () => {
    const one = await anybody();
    const orgId = await organization(one);
    const other = await member(orgId, 'owner');
    const outcomes = await Promise.all([role(orgId, other, 'member', one), role(orgId, one, 'member', other)]);
    expect(statuses(outcomes)).toEqual([200, 403]);
    const both = rowsOf((await app.call('GET', `/v1/orgs/${publicOrg(orgId)}/members`, undefined, as(one))).json.data);
    expect(both.filter((row) => textOf(row.role) === 'owner')).toHaveLength(1);
  });

  it('that both leave at once leave one owner', async () => {
    const one = await anybody();
    const orgId = await organization(one);
    const other = await member(orgId, 'owner');
    const outcomes = await Promise.all([remove(orgId, one, one), remove(orgId, other, other)]);
    expect(statuses(outcomes)).toEqual([204, 409]);
  });

  it('that go take their tokens of this organization and their keys for it along', async () => {
    const owner = await anybody();
    const [orgId, other] = [await organization(owner), await organization(owner, 'Other')];
    const plain = await member(orgId, 'member');
    await known.join(app.db, other, plain, 'member');
    for (const boundTo of [orgId, other, null]) {
      await app.db.run(
        {
          name: 'test_token',
          text: `insert into personal_access_tokens (id, user_id, org_id, name, token_hash, token_prefix, scopes)
            values ($1::uuid, $2, $3, 'x', sha256(convert_to($1::text, 'UTF8')), 'evr_pat_x', '{*}')`,
        },
        [ids.next(), plain, boundTo],
      );
    }
    await app.call('POST', '/v1/user/connections/daytona', { api_key: 'k' }, as(plain, orgId));
    expect((await remove(orgId, plain, owner)).status).toBe(204);
    const left = await app.db.run<{ org_id: Uuid | null }>(
      { name: 'test_tokens', text: 'select org_id from personal_access_tokens where user_id = $1 order by org_id' },
      [plain],
    );
    expect(left.map(({ org_id }) => org_id)).toEqual([other, null]);
    expect(await app.db.run({ name: 'test_keys', text: 'select 1 from user_connections where user_id = $1' }, [plain])).toEqual([]);
  });
});

describe('invitations', () => {
  const invite = (orgId: Uuid, by: Uuid, body: object) => app.call('POST', `/v1/orgs/${publicOrg(orgId)}/invites`, body, as(by));
  const accept = (token: string, by: Uuid) => app.call('POST', `/v1/invites/${token}/accept`, undefined, as(by));

  it('are accepted once, by the account of that address', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const invited = await known.person(app.db, 'invited@example.com');
    const made = await invite(orgId, owner, { email: '  Invited@Example.com ', role: 'admin' });
    expect([made.status, made.json.email]).toEqual([201, 'invited@example.com']);
    const token = textOf(made.json.token);
    expect(token).toMatch(/^evrinv_[0-9a-f]{64}$/);
    expect(textOf(made.json.url)).toContain(token);

    const somebodyElse = await accept(token, await anybody());
    const unknown = await accept(`evrinv_${'0'.repeat(64)}`, invited);
    expect([somebodyElse.status, withoutInstance(somebodyElse)]).toEqual([404, withoutInstance(unknown)]);
    const twice = await Promise.all([accept(token, invited), accept(token, invited)]);
    expect(statuses(twice)).toEqual([200, 404]);
    expect(twice.find(({ status }) => status === 200)?.json).toEqual({ org_id: publicOrg(orgId), org_name: 'Acme', role: 'admin' });
    expect((await app.call('GET', `/v1/orgs/${publicOrg(orgId)}/invites`, undefined, as(invited))).json).toEqual({ data: [] });
    expect((await invite(orgId, owner, { email: 'invited@example.com' })).json.code).toBe('already_member');
  });

  it('need a verified address', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const unverified = await known.person(app.db, 'unverified@example.com', false);
    const { json } = await invite(orgId, owner, { email: 'unverified@example.com' });
    expect((await accept(textOf(json.token), unverified)).json.code).toBe('email_not_verified');
    expect((await app.call('GET', `/v1/orgs/${publicOrg(orgId)}`, undefined, as(unverified))).status).toBe(404);
  });

  it('answer alike whether or not the address has an account', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    await known.person(app.db, 'has-account@example.com');
    const shapes = await Promise.all(
      ['has-account@example.com', 'no-account@example.com'].map(async (email) => {
        const { status, json } = await invite(orgId, owner, { email });
        return [status, Object.keys(json as object)];
      }),
    );
    expect(shapes[0]).toEqual(shapes[1]);
  });

  it('give way to a newer one, can be taken back, and expire', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const late = await known.person(app.db, 'late@example.com');
    const first = await invite(orgId, owner, { email: 'late@example.com' });
    const second = await invite(orgId, owner, { email: 'late@example.com', role: 'admin' });
    const list = await app.call('GET', `/v1/orgs/${publicOrg(orgId)}/invites`, undefined, as(owner));
    expect(rowsOf(list.json.data)).toMatchObject([{ id: second.json.id, role: 'admin' }]);
    expect(list.text).not.toContain('evrinv_');
    expect((await accept(textOf(first.json.token), late)).status).toBe(404);
    const one = `/v1/orgs/${publicOrg(orgId)}/invites/${textOf(second.json.id)}`;
    expect((await app.call('DELETE', one, undefined, as(owner))).status).toBe(204);
    expect((await app.call('DELETE', one, undefined, as(owner))).status).toBe(404);
    expect((await accept(textOf(second.json.token), late)).status).toBe(404);
    const third = await invite(orgId, owner, { email: 'late@example.com' });
    await app.db.run({ name: 'test_expire', text: `update org_invitations set expires_at = engine_now() where org_id = $1` }, [orgId]);
    expect((await accept(textOf(third.json.token), late)).status).toBe(404);
  });

  it('of somebody who may not give as much any more are taken back', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const [other, admin] = [await member(orgId, 'owner'), await member(orgId, 'admin')];
    const pending = async (): Promise<unknown[]> =>
      rowsOf((await app.call('GET', `/v1/orgs/${publicOrg(orgId)}/invites`, undefined, as(owner))).json.data).map(({ role }) => role);
    const path = (userId: Uuid): string => `/v1/orgs/${publicOrg(orgId)}/members/${userId}`;
    await invite(orgId, other, { email: 'as-owner@example.com', role: 'owner' });
    expect(await pending()).toEqual(['owner']);
    await app.call('PATCH', path(other), { role: 'admin' }, as(owner));
    expect(await pending()).toEqual([]);
    await invite(orgId, admin, { email: 'as-admin@example.com', role: 'admin' });
    await app.call('PATCH', path(admin), { role: 'admin' }, as(owner));
    expect(await pending()).toEqual(['admin']);
    await app.call('DELETE', path(admin), undefined, as(owner));
    expect(await pending()).toEqual([]);
  });

  it('are for managers of members, give no role above their own, and count as members', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const [admin, plain] = [await member(orgId, 'admin'), await member(orgId, 'member')];
    expect((await invite(orgId, plain, { email: 'a@example.com' })).status).toBe(403);
    expect((await invite(orgId, admin, { email: 'a@example.com', role: 'owner' })).status).toBe(403);
    expect((await invite(orgId, admin, { email: 'not an address' })).json.field).toBe('email');
    const answers = await Promise.all(['a', 'b', 'c'].map((name) => invite(orgId, admin, { email: `${name}@example.com` })));
    expect(statuses(answers)).toEqual([201, 409, 409]);
  });
});

describe('the audit log of an organization', () => {
  it('is for administrators, in pages, and finds what is asked for', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const plain = await member(orgId, 'member');
    const path = `/v1/orgs/${publicOrg(orgId)}/audit-logs`;
    await app.call('PATCH', `/v1/orgs/${publicOrg(orgId)}/members/${plain}`, { role: 'admin' }, as(owner));
    const agent = await app.call('POST', '/v1/agents', { name: 'watched', system_prompt: 'x' }, as(plain, orgId));
    await app.call('POST', `/v1/orgs/${publicOrg(orgId)}/invites`, { email: 'z@example.com' }, as(owner));
    const list = async (query = ''): Promise<Answer> => app.call('GET', `${path}${query}`, undefined, as(owner));
    const actions = async (query = ''): Promise<unknown[]> => rowsOf((await list(query)).json.data).map(({ action }) => action);
    expect(await actions()).toEqual(['createInvitation', 'createAgent', 'updateMember', 'createOrganization']);
    expect(await actions('?action=createAgent')).toEqual(['createAgent']);
    expect(await actions(`?actor=${plain}`)).toEqual(['createAgent']);
    expect(await actions(`?target=${textOf(agent.json.id)}`)).toEqual(['createAgent']);
    expect(await actions('?domain=members')).toEqual(['createInvitation', 'updateMember']);
    expect(await actions('?since=2100-01-01T00:00:00Z')).toEqual([]);
    expect(await actions('?until=2100-01-01T00:00:00Z&limit=1')).toEqual(['createInvitation']);
    const [entry] = rowsOf((await list('?action=updateMember')).json.data);
    expect(entry).toMatchObject({
      actor_user_id: owner,
      target: { type: 'user', id: plain },
      metadata: { role_before: 'member', role: 'admin' },
      credential: { kind: 'login' },
    });
    const first = await list('?limit=3');
    const rest = await list(`?limit=3&before=${textOf(first.json.next_before)}`);
    expect([rowsOf(first.json.data).length, rowsOf(rest.json.data).map(({ action }) => action)]).toEqual([3, ['createOrganization']]);
    expect(rest.json.next_before).toBeUndefined();
    expect((await list('?limit=201')).status).toBe(400);
    expect((await list()).text).not.toMatch(/evrinv_|z@example/);
    expect((await app.call('GET', path, undefined, as(await member(orgId, 'member')))).status).toBe(403);
  });
});

/** Tables that still have rows of an organization, but for those whose rows go by age, or when a worker asks for work. */
async function rowsWith(orgId: Uuid): Promise<string[]> {
  const aged = ['audit_logs', 'workflows', 'timers', 'dead_letters', 'ready'];
  const tables = await app.db.run<{ name: string }>({
    name: 'test_org_tables',
    text: `select t.table_name as name from information_schema.tables t join information_schema.columns c using (table_schema, table_name)
      where t.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.column_name = 'org_id' order by 1`,
  });
  const found: string[] = [];
  for (const { name } of tables.filter((table) => !aged.includes(table.name))) {
    const rows = await app.db.run({ name: `test_rows_${name}`, text: `select 1 from ${name} where org_id = $1 limit 1` }, [orgId]);
    if (rows.length > 0) found.push(name);
  }
  const [left] = await app.db.run<{ n: number }>({ name: 'test_org', text: 'select count(*) as n from organizations where id = $1' }, [
    orgId,
  ]);
  return left?.n === 0 ? found : [...found, 'organizations'];
}

describe('an account', () => {
  it('is told in full, without anything that opens something', async () => {
    const owner = await anybody();
    const orgId = await organization(owner);
    const { json, text } = await app.call('GET', '/v1/users/me/export', undefined, as(owner));
    expect(json).toMatchObject({ user: { id: owner }, organizations: [{ public_id: publicOrg(orgId), name: 'Acme', role: 'owner' }] });
    expect(text).not.toMatch(/hash|password|secret/);
  });

  it('stays while others would be left without an owner, and says in which organization', async () => {
    const owner = await anybody();
    const orgId = await organization(owner, 'Needs me');
    await member(orgId, 'admin');
    const refused = await app.call('DELETE', '/v1/users/me', undefined, as(owner));
    expect([refused.status, refused.json.code]).toEqual([409, 'last_owner']);
    expect(textOf(refused.json.detail)).toContain('Needs me');
    expect((await app.call('GET', '/v1/auth/me', undefined, as(owner))).status).toBe(200);
  });

  it('goes with everything that was of it alone; what it did stays without a name', async () => {
    closed = [];
    const owner = await anybody();
    const shared = await organization(owner, 'Shared');
    const alone = await organization(owner, 'Alone');
    const heir = await member(shared, 'owner');
    const session = textOf((await app.call('POST', '/v1/sessions', {}, as(owner, shared))).json.id);
    expect((await app.call('DELETE', '/v1/users/me', undefined, as(owner))).json).toEqual({ deleted: true });
    expect(closed).toEqual([alone]);
    const traces = await app.db.run<{ n: number }>(
      {
        name: 'test_traces',
        text: `select (select count(*) from users where id = $1) + (select count(*) from org_members where user_id = $1) as n`,
      },
      [owner],
    );
    expect(traces[0]?.n).toBe(0);
    expect((await app.call('GET', `/v1/sessions/${session}`, undefined, as(heir, shared))).status).toBe(200);
    const log = await app.call('GET', `/v1/orgs/${publicOrg(shared)}/audit-logs?actor=${owner}`, undefined, as(heir));
    expect(rowsOf(log.json.data).map(({ action }) => action)).toEqual(['member.account_deleted', 'createSession', 'createOrganization']);
    expect(log.text).not.toContain('somebody-');
  });

  it('takes the organizations that nobody is left in along, to the last row', async () => {
    const owner = await anybody();
    const orgId = await organization(owner, 'To be closed');
    await makeBelongings(app, { orgId, userId: owner, headers: as(owner, orgId), name: 'gone' });
    await app.call('POST', `/v1/orgs/${publicOrg(orgId)}/invites`, { email: 'never@example.com' }, as(owner));
    expect((await app.call('DELETE', '/v1/users/me', undefined, as(owner))).status).toBe(200);
    const { turns } = app.fixture.engine;
    const purge = () => purgeClosed({ db: app.db, deleteSession: (scope, id) => turns.deleteSession(scope, id) });
    await purge();
    await pruneAll(app.db, () => false);
    await purge();
    expect(await rowsWith(orgId)).toEqual([]);
  });
});

it('there are no feature flags in this version: whoever asks hears so, and one that is named is not known', async () => {
  const path = '/v1/orgs/org_00000000000000000000000000000001/feature-flags';
  const none = await testApp();
  try {
    expect((await none.call('GET', '/v1/feature-flags')).json).toEqual({});
    expect((await none.call('GET', path)).json).toEqual({});
    expect((await none.call('GET', `${path}/settings`)).json).toEqual({ flags: [] });
    expect((await none.call('PATCH', path, { flags: {} })).json).toEqual({});
    const named = await none.call('PATCH', path, { flags: { voice: true } });
    expect([named.status, named.json['code'], named.json['field']]).toEqual([400, 'invalid_request', 'flags.voice']);
  } finally {
    await none.close();
  }
});
