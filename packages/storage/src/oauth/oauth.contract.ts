import { ANONYMOUS_USER_ID, createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prune } from '../core/prune.ts';
import { scalar, sql } from '../core/testing/sql.ts';
import { openWorld } from '../core/testing/world.ts';
import type { World } from '../core/testing/world.ts';
import { createAccount } from '../identity/accounts.ts';
import { findOAuthClient, insertOAuthClient } from './clients.ts';
import { findOAuthGrant, saveOAuthGrant } from './grants.ts';
import { findOAuthInteraction, saveOAuthInteraction } from './interactions.ts';
import { findMcpRun, keepMcpRun } from './mcp-runs.ts';
import { findOAuthAccess, findOAuthToken, insertOAuthToken, spendOAuthToken } from './tokens.ts';
import type { OAuthTokenKind } from './tokens.ts';

const ids = createIdSource();
const DAY = 86_400;
let world: World;
beforeAll(async () => {
  world = await openWorld(await testDatabase());
});
afterAll(() => world.close());

const random = (): Buffer => Buffer.from((ids.random() + ids.random()).replaceAll('-', ''), 'hex');

async function client(): Promise<string> {
  const id = `mcp_client_${ids.next()}`;
  await insertOAuthClient(world.db, { id, secretHash: null, metadata: { client_name: 'x' } });
  return id;
}

async function grant({
  userId,
  clientId,
  expiresInSecs = 30 * DAY,
}: { userId?: Uuid; clientId?: string; expiresInSecs?: number } = {}): Promise<Uuid> {
  const id = ids.next();
  const owner = userId ?? ids.next();
  if (userId === undefined) await createAccount(world.db, { userId: owner, email: `${owner}@example.com`, name: 'P', passwordHash: 'h' });
  await saveOAuthGrant(world.db, { id, userId: owner, clientId: clientId ?? (await client()), payload: {}, expiresInSecs });
  return id;
}

async function token(kind: OAuthTokenKind, grantId: Uuid, expiresInSecs = 900): Promise<Buffer> {
  const hash = random();
  await insertOAuthToken(world.db, { hash, kind, grantId, payload: { aud: 'https://x.example/mcp' }, expiresInSecs });
  return hash;
}

test('of twenty who spend a code at once, one does', async () => {
  const code = await token('AuthorizationCode', await grant());
  const spent = await Promise.all(Array.from({ length: 20 }, () => spendOAuthToken(world.db, 'AuthorizationCode', code)));
  expect(spent.filter(Boolean)).toHaveLength(1);
  expect(await findOAuthToken(world.db, 'AuthorizationCode', code)).toMatchObject({ isJustSpent: true, spentAt: expect.any(Number) });
});

test('a token is of one kind, and of a grant that is there', async () => {
  const id = await grant();
  const refresh = await token('RefreshToken', id);
  expect(await findOAuthToken(world.db, 'AccessToken', refresh)).toBeNull();
  expect(await findOAuthAccess(world.db, refresh)).toBeNull();
  await sql(world.db, 'delete from oauth_grants where id = $1', [id]);
  expect(await findOAuthToken(world.db, 'RefreshToken', refresh)).toBeNull();
  const late = { hash: random(), kind: 'AccessToken', grantId: id, payload: {}, expiresInSecs: 900 } as const;
  expect(await insertOAuthToken(world.db, late)).toBe(false);
});

test('a grant lives as long as its youngest refresh token', async () => {
  const id = await grant({ expiresInSecs: 60 });
  await token('RefreshToken', id, 30 * DAY);
  const [left] = await sql<{ days: number }>(
    world.db,
    'select extract(epoch from expires_at - engine_now()) / 86400 as days from oauth_grants where id = $1',
    [id],
  );
  expect(Number(left?.days)).toBeCloseTo(30, 1);
});

test('an access token gives its user, but never the anonymous one, and nobody once it or its grant has expired', async () => {
  const access = await token('AccessToken', await grant());
  expect(await findOAuthAccess(world.db, access)).toMatchObject({
    audience: 'https://x.example/mcp',
    user: { kind: 'person', memberships: [] },
  });
  expect(await findOAuthAccess(world.db, await token('AccessToken', await grant({ userId: ANONYMOUS_USER_ID })))).toBeNull();
  expect(await findOAuthAccess(world.db, await token('AccessToken', await grant(), -1))).toBeNull();
  expect(await findOAuthAccess(world.db, await token('AccessToken', await grant({ expiresInSecs: -1 })))).toBeNull();
});

test('what has run out is removed, with clients that nobody has let in, and nothing else', async () => {
  const [kept, unused] = [await grant(), await client()];
  const clientId = await client();
  const gone = await grant({ clientId, expiresInSecs: -1 });
  const [live, dead] = [await token('AccessToken', kept), await token('AccessToken', kept, -1)];
  const [open, closed] = [random(), random()];
  await saveOAuthInteraction(world.db, open, { a: 1 }, 60);
  await saveOAuthInteraction(world.db, closed, { a: 1 }, -1);
  const key = { orgId: DEFAULT_ORG_ID, userId: ANONYMOUS_USER_ID, clientMessageId: ids.next() };
  await keepMcpRun(world.db, key, ids.next());
  await sql(world.db, `update oauth_clients set created_at = engine_now() - interval '31 days' where id = any($1)`, [[unused, clientId]]);
  await sql(world.db, `update mcp_runs set created_at = engine_now() - interval '8 days'`);
  while ((await prune(world.db)) > 0);
  expect(await scalar(world.db, 'select count(*)::int from oauth_tokens where token_hash = any($1)', [[live, dead]])).toBe(1);
  expect([await findOAuthInteraction(world.db, open), await findOAuthInteraction(world.db, closed)]).toEqual([{ a: 1 }, null]);
  expect([(await findOAuthGrant(world.db, kept)) !== null, await findOAuthGrant(world.db, gone)]).toEqual([true, null]);
  expect([await findOAuthClient(world.db, unused), await findOAuthClient(world.db, clientId)]).toEqual([null, null]);
  expect(await findMcpRun(world.db, key)).toBeNull();
});

test('a run is kept under its key by whoever is first', async () => {
  const key = { orgId: DEFAULT_ORG_ID, userId: ANONYMOUS_USER_ID, clientMessageId: ids.next() };
  const kept = await Promise.all(Array.from({ length: 5 }, () => keepMcpRun(world.db, key, ids.next())));
  expect(new Set(kept)).toEqual(new Set([await findMcpRun(world.db, key)]));
});
