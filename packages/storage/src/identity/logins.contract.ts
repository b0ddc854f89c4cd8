import { ANONYMOUS_USER_ID, createIdSource, DEFAULT_ORG_ID, EmailAddress } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prune } from '../core/prune.ts';
import { openTransaction, untilBlocked } from '../core/testing/locks.ts';
import { scalar, sql } from '../core/testing/sql.ts';
import { openWorld } from '../core/testing/world.ts';
import type { World } from '../core/testing/world.ts';
import { askForReset, askToRegister, confirmAddress, createAccount, ensureOperator, joinOrganization, resetPassword } from './accounts.ts';
import { findLoginUser } from './known-users.ts';
import { endLogin, endReplayedLogin, findPasswordOwner, openLogin, rotateLogin } from './logins.ts';

const ids = createIdSource();
const WELCOME = { operatorEmail: null, joinsDefaultOrg: false };
const DAY_MS = 86_400_000;
let world: World;
beforeAll(async () => {
  world = await openWorld(await testDatabase());
});
afterAll(() => world.close());

let count = 0;
async function account(): Promise<{ userId: Uuid; email: string }> {
  const [userId, email] = [ids.next(), `person${++count}@example.com`];
  await createAccount(world.db, { userId, email, name: 'Person', passwordHash: 'hash' });
  return { userId, email };
}
const random = (): Buffer => Buffer.from(ids.random().replaceAll('-', ''), 'hex');
async function login(userId: Uuid, passwordHash: string | null = 'hash') {
  const [sessionId, refreshHash] = [ids.next(), random()];
  const user = await openLogin(world.db, { sessionId, userId, passwordHash, refreshHash, lifetimeSecs: 86_400, userAgent: null, ip: null });
  return { sessionId, refreshHash, user };
}
const rotate = (hash: Buffer, nextHash = random()) => rotateLogin(world.db, { hash, nextHash, lifetimeSecs: 86_400 });

/** Gives the user a personal access token; how many there are then. */
async function tokenOf(userId: Uuid): Promise<() => Promise<number>> {
  const text = `insert into personal_access_tokens (id, user_id, name, token_hash, token_prefix, scopes) values (uuidv7(), $1, 't', sha256($2), 'p', '{*}')`;
  await sql(world.db, text, [userId, random()]);
  return () => scalar(world.db, 'select count(*)::int from personal_access_tokens where user_id = $1', [userId]);
}

describe('a login', () => {
  test('gives its user with the memberships of the moment, and nothing once it has ended', async () => {
    const { userId, email } = await account();
    const { sessionId } = await login(userId);
    const found = { userId, email, name: 'Person', kind: 'person', isPlatformUser: false };
    expect(await findLoginUser(world.db, { sessionId, userId })).toEqual({ ...found, memberships: [] });
    await joinOrganization(world.db, { orgId: DEFAULT_ORG_ID, userId, role: 'member' });
    expect(await findLoginUser(world.db, { sessionId, userId })).toEqual({
      ...found,
      memberships: [{ orgId: DEFAULT_ORG_ID, role: 'member' }],
    });
    expect(await findLoginUser(world.db, { sessionId, userId: ids.next() })).toBeNull();
    expect(await endLogin(world.db, sessionId)).toBe(true);
    expect(await findLoginUser(world.db, { sessionId, userId })).toBeNull();
  });

  test('is nobody the anonymous user could have', async () => {
    expect(await findPasswordOwner(world.db, 'anonymous@local')).toBeNull();
    const { sessionId, user } = await login(ANONYMOUS_USER_ID, null);
    expect(user).toBeNull();
    expect(await findLoginUser(world.db, { sessionId, userId: ANONYMOUS_USER_ID })).toBeNull();
  });

  test('runs out, and is removed some time after', async () => {
    const { userId } = await account();
    const { sessionId, refreshHash } = await login(userId);
    await world.shifted(DAY_MS + 1_000, async (later) => {
      expect(await findLoginUser(later, { sessionId, userId })).toBeNull();
      expect(await rotateLogin(later, { hash: refreshHash, nextHash: random(), lifetimeSecs: 60 })).toBeNull();
      await prune(later);
    });
    expect(await sql(world.db, 'select 1 from refresh_tokens where token_hash = $1', [refreshHash])).toEqual([]);
  });

  test('does not begin with a password that is being changed', async () => {
    const { userId, email } = await account();
    const earlier = await login(userId);
    const hash = random();
    await askForReset(world.db, { id: ids.next(), mailId: ids.next(), email, hash, lifetimeSecs: 60 });
    const changing = await openTransaction(world.db, (tx) => sql(tx, `update users set password_hash = 'new' where id = $1`, [userId]));
    const late = login(userId);
    await untilBlocked(world.db);
    await changing.commit();
    expect((await late).user).toBeNull();
    expect(await resetPassword(world.db, { hash, passwordHash: 'other', welcome: WELCOME })).toEqual({ userId, email });
    expect(await findLoginUser(world.db, { sessionId: earlier.sessionId, userId })).toBeNull();
    expect(await findPasswordOwner(world.db, email)).toMatchObject({ password_hash: 'other', is_verified: true });
  });
});

describe('a refresh token', () => {
  test('is spent once, whoever comes first', async () => {
    const { userId } = await account();
    for (let n = 0; n < 20; n++) {
      const { refreshHash, sessionId } = await login(userId);
      const won = (await Promise.all([rotate(refreshHash), rotate(refreshHash), rotate(refreshHash)])).filter((one) => one !== null);
      expect(won).toMatchObject([{ sessionId, user: { userId } }]);
    }
  });

  test('ends its login when it is shown long after it was spent, and at once it does not', async () => {
    const { userId } = await account();
    const { refreshHash, sessionId } = await login(userId);
    const next = random();
    await rotate(refreshHash, next);
    expect(await endReplayedLogin(world.db, refreshHash, 30)).toBe(false);
    expect(await findLoginUser(world.db, { sessionId, userId })).not.toBeNull();
    expect(await world.shifted(31_000, (later) => endReplayedLogin(later, next, 30))).toBe(false);
    expect(await world.shifted(31_000, (later) => endReplayedLogin(later, refreshHash, 30))).toBe(true);
    expect(await rotate(next)).toBeNull();
  });

  test('waits for a login that is being ended, and is then worth nothing', async () => {
    const { userId } = await account();
    const { refreshHash, sessionId } = await login(userId);
    const ending = await openTransaction(world.db, (tx) => endLogin(tx, sessionId));
    const rotated = rotate(refreshHash);
    await untilBlocked(world.db);
    await ending.commit();
    expect(await rotated).toBeNull();
  });
});

describe('the operator', () => {
  test('owns the default organization, and keeps a password that was set since', async () => {
    const email = 'operator@example.com';
    const first = await ensureOperator(world.db, { userId: ids.next(), email, name: 'Operator', passwordHash: 'one' });
    const again = await ensureOperator(world.db, { userId: ids.next(), email, name: 'Operator', passwordHash: 'two' });
    expect(again).toBe(first);
    expect(await findPasswordOwner(world.db, email)).toEqual({ id: first, password_hash: 'one', is_verified: true });
    expect((await login(first ?? '', 'one')).user).toMatchObject({
      isPlatformUser: true,
      memberships: [{ orgId: DEFAULT_ORG_ID, role: 'owner' }],
    });
  });

  test('takes over an account whose address nobody has proven, and whoever had it is out', async () => {
    const { userId, email } = await account();
    const { sessionId } = await login(userId);
    const tokens = await tokenOf(userId);
    expect(await ensureOperator(world.db, { userId: ids.next(), email, name: 'Operator', passwordHash: 'mine' })).toBe(userId);
    expect(await findPasswordOwner(world.db, email)).toMatchObject({ password_hash: 'mine', is_verified: true });
    expect(await findLoginUser(world.db, { sessionId, userId })).toBeNull();
    expect(await tokens()).toBe(0);
  });

  test('cannot be the anonymous user', async () => {
    expect(await ensureOperator(world.db, { userId: ids.next(), email: 'anonymous@local', name: 'X', passwordHash: 'x' })).toBeNull();
  });
});

test('a proof of an address cannot be used twice, nor for something else', async () => {
  const { email } = await account();
  const hash = random();
  await askForReset(world.db, { id: ids.next(), mailId: ids.next(), email, hash, lifetimeSecs: 60 });
  expect(await confirmAddress(world.db, { hash, newUserId: ids.next(), takesRegistrations: true, welcome: WELCOME })).toBeNull();
  const use = () => resetPassword(world.db, { hash, passwordHash: 'new', welcome: WELCOME });
  expect((await Promise.all([use(), use()])).filter((result) => result !== null)).toHaveLength(1);
});

test('a new password for an address that nobody had proven takes the tokens away with the logins, for a proven one only the logins', async () => {
  const { userId, email } = await account();
  const tokens = await tokenOf(userId);
  const reset = async (): Promise<void> => {
    const [hash, { sessionId }] = [random(), await login(userId, null)];
    await askForReset(world.db, { id: ids.next(), mailId: ids.next(), email, hash, lifetimeSecs: 60 });
    await resetPassword(world.db, { hash, passwordHash: 'new', welcome: WELCOME });
    expect(await findLoginUser(world.db, { sessionId, userId })).toBeNull();
  };
  await reset();
  expect(await tokens()).toBe(0);
  await tokenOf(userId);
  await reset();
  expect(await tokens()).toBe(1);
});

test('two spellings of an address are one account', async () => {
  const { email } = await account();
  const other = EmailAddress.parse(` ${email.toUpperCase()} `);
  const again = { userId: ids.next(), name: 'Person', passwordHash: 'hash' };
  expect(await createAccount(world.db, { ...again, email: other })).toBe(false);
  await expect(createAccount(world.db, { ...again, email: email.toUpperCase() })).rejects.toThrow(/users_email_canonical/);
});

test('a registration that waits for its proof is worth nothing once nobody can sign up any more', async () => {
  const [hash, email] = [random(), `person${++count}@example.com`];
  const token = { id: ids.next(), mailId: ids.next(), email, hash, lifetimeSecs: 60 };
  await askToRegister(world.db, token, { name: 'Late', passwordHash: 'hash' });
  const confirm = (takesRegistrations: boolean) =>
    confirmAddress(world.db, { hash, newUserId: ids.next(), takesRegistrations, welcome: WELCOME });
  expect(await confirm(false)).toBeNull();
  expect(await findPasswordOwner(world.db, email)).toBeNull();
});

test('of two proofs of one address at once, one counts, and neither waits for the other for good', async () => {
  const { userId, email } = await account();
  const proofs = [random(), random()];
  for (const hash of proofs) {
    await askToRegister(
      world.db,
      { id: ids.next(), mailId: ids.next(), email, hash, lifetimeSecs: 60 },
      { name: 'A', passwordHash: 'hash' },
    );
  }
  const holding = await openTransaction(world.db, (tx) => sql(tx, 'select 1 from users where id = $1 for update', [userId]));
  const confirmed = proofs.map((hash) =>
    confirmAddress(world.db, { hash, newUserId: ids.next(), takesRegistrations: true, welcome: WELCOME }),
  );
  await untilBlocked(world.db, 2);
  await holding.commit();
  expect((await Promise.all(confirmed)).filter((one) => one !== null)).toEqual([{ userId, email }]);
});
