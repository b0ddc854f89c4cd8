import { ANONYMOUS_USER_ID, createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTransaction, untilBlocked } from '../core/testing/locks.ts';
import { scalar, sql } from '../core/testing/sql.ts';
import { openWorld } from '../core/testing/world.ts';
import type { World } from '../core/testing/world.ts';
import { createAccount, joinOrganization } from './accounts.ts';
import { findPasswordOwner } from './logins.ts';
import {
  deleteServiceAccount,
  findServiceAccount,
  insertServiceAccount,
  listServiceAccounts,
  updateServiceAccount,
} from './service-accounts.ts';
import { deleteToken, findTokenOwner, insertToken, listTokens, touchToken } from './tokens.ts';
import type { NewToken } from './tokens.ts';

const ids = createIdSource();
let world: World;
beforeAll(async () => {
  world = await openWorld(await testDatabase());
});
afterAll(() => world.close());

let count = 0;
async function member(): Promise<Uuid> {
  const userId = ids.next();
  await createAccount(world.db, { userId, email: `token${++count}@example.com`, name: 'Person', passwordHash: 'hash' });
  await joinOrganization(world.db, { orgId: DEFAULT_ORG_ID, userId, role: 'member' });
  return userId;
}
const random = (): Buffer => Buffer.from((ids.random() + ids.random()).replaceAll('-', ''), 'hex');
function tokenOf(userId: Uuid, changes: Partial<NewToken> = {}): NewToken {
  const fixed = { id: ids.next(), userId, hash: random(), name: 'ci', prefix: 'evr_pat_01234567...', scopes: ['*'], metadata: {} };
  return { ...fixed, orgId: null, madeWith: null, expiresInSecs: null, limit: 25, ...changes };
}
const limits = { accounts: 50 };
async function account(name = 'deploy'): Promise<Uuid> {
  const id = ids.next();
  const made = { id, name, description: null, role: 'member', createdBy: ANONYMOUS_USER_ID, limit: limits.accounts } as const;
  expect(await insertServiceAccount(world.db, DEFAULT_ORG_ID, made)).toBe(true);
  return id;
}

describe('a token', () => {
  test('is its owner with the memberships of the moment, until it expires', async () => {
    const userId = await member();
    const token = tokenOf(userId, { expiresInSecs: 60, scopes: ['read'] });
    await insertToken(world.db, token);
    const found = await findTokenOwner(world.db, token.hash);
    expect(found).toMatchObject({ tokenId: token.id, scopes: ['read'], boundOrgId: null, owner: { userId, kind: 'person' } });
    expect(found?.owner.memberships).toEqual([{ orgId: DEFAULT_ORG_ID, role: 'member' }]);
    expect(await findTokenOwner(world.db, random())).toBeNull();
    expect(await world.shifted(61_000, (later) => findTokenOwner(later, token.hash))).toBeNull();
  });

  test('is never the anonymous user', async () => {
    const token = tokenOf(ANONYMOUS_USER_ID);
    await insertToken(world.db, token);
    expect(await findTokenOwner(world.db, token.hash)).toBeNull();
  });

  test('of an organization ends with the membership there, and does not come back with it', async () => {
    const userId = await member();
    const [bound, everywhere] = [tokenOf(userId, { orgId: DEFAULT_ORG_ID }), tokenOf(userId)];
    await insertToken(world.db, bound);
    await insertToken(world.db, everywhere);
    await sql(world.db, 'delete from org_members where user_id = $1', [userId]);
    expect(await findTokenOwner(world.db, bound.hash)).toBeNull();
    expect((await findTokenOwner(world.db, everywhere.hash))?.owner.memberships).toEqual([]);
    await joinOrganization(world.db, { orgId: DEFAULT_ORG_ID, userId, role: 'member' });
    expect(await findTokenOwner(world.db, bound.hash)).toBeNull();
    await sql(world.db, 'delete from org_members where user_id = $1', [userId]);
    expect(await insertToken(world.db, tokenOf(userId, { orgId: DEFAULT_ORG_ID }))).toBe('gone');
    await sql(world.db, 'delete from users where id = $1', [userId]);
    expect(await findTokenOwner(world.db, everywhere.hash)).toBeNull();
    expect(await insertToken(world.db, tokenOf(userId))).toBe('gone');
  });

  test('is one of so many, also when many are made at once; those that have expired do not count', async () => {
    const userId = await member();
    await insertToken(world.db, tokenOf(userId, { expiresInSecs: -1 }));
    const made = await Promise.all(Array.from({ length: 12 }, () => insertToken(world.db, tokenOf(userId, { limit: 5 }))));
    expect(made.filter((row) => row === 'limit')).toHaveLength(7);
    expect(await listTokens(world.db, { userId, orgId: null })).toHaveLength(6);
    expect(await insertToken(world.db, tokenOf(userId, { limit: 0 }))).toMatchObject({ name: 'ci' });
  });

  test('that was made with another lasts no longer than that, and goes with it', async () => {
    const userId = await member();
    const maker = tokenOf(userId, { expiresInSecs: 60 });
    await insertToken(world.db, maker);
    const children = [tokenOf(userId, { madeWith: maker.id }), tokenOf(userId, { madeWith: maker.id, expiresInSecs: 3_600 })];
    for (const child of children) await insertToken(world.db, child);
    const expiries = (await listTokens(world.db, { userId, orgId: null })).map(({ expires_at }) => expires_at?.getTime());
    expect(new Set(expiries).size).toBe(1);
    const removing = await openTransaction(world.db, (tx) => deleteToken(tx, { userId, orgId: null }, maker.id));
    const late = insertToken(world.db, tokenOf(userId, { madeWith: maker.id }));
    await untilBlocked(world.db);
    await removing.commit();
    expect(await late).toBe('gone');
    expect(await listTokens(world.db, { userId, orgId: null })).toEqual([]);
  });

  test('notes its use at most once a minute', async () => {
    const userId = await member();
    const { id } = tokenOf(userId);
    await insertToken(world.db, tokenOf(userId, { id }));
    const usedAt = (): Promise<Date> => scalar(world.db, 'select last_used_at from personal_access_tokens where id = $1', [id]);
    await touchToken(world.db, id);
    const first = await usedAt();
    await touchToken(world.db, id);
    expect(await usedAt()).toEqual(first);
    await world.shifted(61_000, (later) => touchToken(later, id));
    expect((await usedAt()).getTime()).toBeGreaterThan(first.getTime() + 60_000);
  });
});

describe('a service account', () => {
  test('has no password and no login, is found in its organization alone, and takes its tokens with it', async () => {
    const id = await account();
    const token = tokenOf(id, { orgId: DEFAULT_ORG_ID });
    await insertToken(world.db, token);
    expect((await findTokenOwner(world.db, token.hash))?.owner).toMatchObject({ kind: 'service', userId: id, name: 'deploy' });
    expect(await findPasswordOwner(world.db, `${id}@service-account.invalid`)).toBeNull();
    await updateServiceAccount(world.db, { orgId: DEFAULT_ORG_ID, id }, { role: 'admin', description: 'ships' });
    await updateServiceAccount(world.db, { orgId: DEFAULT_ORG_ID, id }, { name: 'ship' });
    const found = await findServiceAccount(world.db, { orgId: DEFAULT_ORG_ID, id });
    expect(found).toMatchObject({ name: 'ship', description: 'ships', role: 'admin', token_count: 1 });
    expect(await findServiceAccount(world.db, { orgId: ids.next(), id })).toBeNull();
    expect(await deleteServiceAccount(world.db, { orgId: ids.next(), id })).toBe(false);
    expect(await deleteServiceAccount(world.db, { orgId: DEFAULT_ORG_ID, id })).toBe(true);
    expect(await findTokenOwner(world.db, token.hash)).toBeNull();
  });

  test('is never a person, whatever id is asked for, and one of so many', async () => {
    const person = await member();
    expect(await deleteServiceAccount(world.db, { orgId: DEFAULT_ORG_ID, id: person })).toBe(false);
    const made = { name: 'x', description: null, role: 'member', createdBy: person, limit: 3 } as const;
    await Promise.all(Array.from({ length: 6 }, () => insertServiceAccount(world.db, DEFAULT_ORG_ID, { ...made, id: ids.next() })));
    expect(await listServiceAccounts(world.db, DEFAULT_ORG_ID)).toHaveLength(3);
  });
});
