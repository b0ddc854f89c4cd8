import { createIdSource } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prune } from '../core/prune.ts';
import { sql } from '../core/testing/sql.ts';
import { openWorld } from '../core/testing/world.ts';
import type { World } from '../core/testing/world.ts';
import { createAccount } from './accounts.ts';
import { resolveIdentity, spendLoginState } from './identities.ts';
import { findLoginUser } from './known-users.ts';
import { openLogin } from './logins.ts';
import {
  askForDevice,
  bindCliLogin,
  decideDeviceLogin,
  exchangeCliCode,
  findDeviceLogin,
  pollDeviceLogin,
  startCliLogin,
} from './program-logins.ts';

const ids = createIdSource();
let world: World;
beforeAll(async () => {
  world = await openWorld(await testDatabase());
});
afterAll(() => world.close());

let count = 0;
async function person(email = `program${++count}@example.com`): Promise<Uuid> {
  const userId = ids.next();
  await createAccount(world.db, { userId, email, name: 'Person', passwordHash: 'hash' });
  return userId;
}
const random = (): Buffer => Buffer.from((ids.random() + ids.random()).replaceAll('-', ''), 'hex');
const token = (limit = 25) => {
  const fixed = { id: ids.next(), name: 'CLI', hash: random(), prefix: 'evr_pat_', scopes: ['*'], metadata: { source: 'cli_login' } };
  return { ...fixed, expiresInSecs: 60, limit };
};

describe('a login of the command line', () => {
  const started = async (): Promise<Buffer> => {
    const stateHash = random();
    await startCliLogin(world.db, { id: ids.next(), stateHash, redirectPort: 4_711, ip: '127.0.0.1', lifetimeSecs: 300 });
    return stateHash;
  };

  test('is bound to the first who comes, and its code is good for one token', async () => {
    const userId = await person();
    const [stateHash, codeHash] = [await started(), random()];
    expect(await bindCliLogin(world.db, { stateHash, userId, codeHash, lifetimeSecs: 300 })).toBe(4_711);
    expect(await bindCliLogin(world.db, { stateHash, userId: await person(), codeHash: random(), lifetimeSecs: 300 })).toBeNull();
    const answers = await Promise.all([1, 2, 3].map(() => exchangeCliCode(world.db, codeHash, token())));
    expect(answers.filter((answer) => answer === 'unknown')).toHaveLength(2);
    expect(answers.find((answer) => answer !== 'unknown')).toMatchObject({ userId, token: { metadata: { source: 'cli_login' } } });
  });

  test('runs out before and after somebody has come by', async () => {
    const userId = await person();
    const [late, bound, codeHash] = [await started(), await started(), random()];
    await bindCliLogin(world.db, { stateHash: bound, userId, codeHash, lifetimeSecs: 300 });
    await world.shifted(301_000, async (later) => {
      expect(await bindCliLogin(later, { stateHash: late, userId, codeHash: random(), lifetimeSecs: 300 })).toBeNull();
      expect(await exchangeCliCode(later, codeHash, token())).toBe('unknown');
      await prune(later);
    });
    expect(await sql(world.db, 'select 1 from cli_logins')).toEqual([]);
  });

  test('keeps its code while there is no room for a token, and loses it with its user', async () => {
    const userId = await person();
    const [first, second] = [random(), random()];
    for (const codeHash of [first, second])
      await bindCliLogin(world.db, { stateHash: await started(), userId, codeHash, lifetimeSecs: 300 });
    expect(await exchangeCliCode(world.db, first, token())).toMatchObject({ userId });
    expect(await exchangeCliCode(world.db, second, token(1))).toBe('limit');
    expect(await exchangeCliCode(world.db, second, token(2))).toMatchObject({ userId });
    const third = random();
    await bindCliLogin(world.db, { stateHash: await started(), userId, codeHash: third, lifetimeSecs: 300 });
    await sql(world.db, 'delete from users where id = $1', [userId]);
    expect(await exchangeCliCode(world.db, third, token())).toBe('unknown');
  });
});

describe('a device', () => {
  const asked = async (userCode: string): Promise<Buffer> => {
    const deviceHash = random();
    const login = {
      id: ids.next(),
      deviceHash,
      userCode,
      hostname: 'box',
      os: 'linux',
      ip: '127.0.0.1',
      intervalSecs: 5,
      lifetimeSecs: 600,
    };
    expect(await askForDevice(world.db, login)).toBe(true);
    expect(await askForDevice(world.db, { ...login, id: ids.next(), deviceHash: random() })).toBe(false);
    return deviceHash;
  };
  const poll = (deviceHash: Buffer, db = world.db) => pollDeviceLogin(db, deviceHash, () => token());

  test('waits until it is let in, is slowed down when it asks too often, and gets one token', async () => {
    const userId = await person();
    const deviceHash = await asked('AAAABBBB');
    expect([await poll(deviceHash), await poll(deviceHash)]).toEqual(['pending', 'slow_down']);
    expect(await world.shifted(6_000, (later) => poll(deviceHash, later))).toBe('slow_down');
    expect(await findDeviceLogin(world.db, 'AAAABBBB')).toMatchObject({ hostname: 'box' });
    expect(await decideDeviceLogin(world.db, 'AAAABBBB', userId)).toMatchObject({ os: 'linux' });
    expect(await decideDeviceLogin(world.db, 'AAAABBBB', null)).toBeNull();
    const answers = await Promise.all([1, 2, 3].map(() => poll(deviceHash)));
    expect(answers.filter((answer) => answer === 'unknown')).toHaveLength(2);
    expect(answers.find((answer) => answer !== 'unknown')).toMatchObject({ userId });
  });

  test('is refused, or runs out', async () => {
    const [denied, late] = [await asked('CCCCDDDD'), await asked('FFFFGGGG')];
    await decideDeviceLogin(world.db, 'CCCCDDDD', null);
    expect([await poll(denied), await poll(denied)]).toEqual(['denied', 'unknown']);
    await world.shifted(601_000, async (later) => {
      expect(await findDeviceLogin(later, 'FFFFGGGG')).toBeNull();
      expect(await decideDeviceLogin(later, 'FFFFGGGG', await person())).toBeNull();
      expect(await poll(late, later)).toBe('expired');
    });
    expect(await poll(random())).toBe('unknown');
  });
});

describe('somebody whom a provider vouches for', () => {
  const policy = (admitsNewcomers = true) => ({
    newUserId: ids.next(),
    admitsNewcomers,
    welcome: { operatorEmail: null, joinsDefaultOrg: false },
  });
  const identity = (email: string, subject = ids.random()) => ({ provider: 'google', subject, email, name: 'Ann', avatarUrl: null });
  const verify = (userId: Uuid) => sql(world.db, 'update users set email_verified_at = engine_now() where id = $1', [userId]);

  test('is a new user once, also when they come twice at once, and the same one with another address', async () => {
    const ann = identity('ann@example.com');
    const outcomes = await Promise.all([1, 2, 3].map(() => resolveIdentity(world.db, ann, policy())));
    expect(new Set(outcomes.map((outcome) => ('userId' in outcome ? outcome.userId : null))).size).toBe(1);
    expect(outcomes.map(({ kind }) => kind).toSorted((a, b) => a.localeCompare(b))).toEqual(['created', 'known', 'known']);
    const moved = await resolveIdentity(world.db, { ...ann, email: 'ann@elsewhere.example' }, policy());
    expect(moved).toEqual({ ...outcomes[0], kind: 'known' });
  });

  test('is the user of a proven address, whose earlier logins end; of one that nobody has proven they are not', async () => {
    const userId = await person('bob@example.com');
    expect(await resolveIdentity(world.db, identity('bob@example.com'), policy())).toEqual({ kind: 'unproven' });
    await verify(userId);
    const sessionId = ids.next();
    const login = { sessionId, userId, passwordHash: 'hash', refreshHash: random(), lifetimeSecs: 60, userAgent: null, ip: null };
    await openLogin(world.db, login);
    expect(await resolveIdentity(world.db, identity('bob@example.com'), policy(false))).toEqual({ kind: 'linked', userId });
    expect(await findLoginUser(world.db, { sessionId, userId })).toBeNull();
    expect(await resolveIdentity(world.db, identity('bob@example.com'), policy(false))).toEqual({ kind: 'linked', userId });
  });

  test('is nobody where newcomers are not admitted, and never a service or the anonymous user', async () => {
    expect(await resolveIdentity(world.db, identity('carl@example.com'), policy(false))).toEqual({ kind: 'no_newcomers' });
    expect(await resolveIdentity(world.db, identity('anonymous@local'), policy())).toEqual({ kind: 'unproven' });
    await sql(
      world.db,
      `insert into users (id, kind, email, name, email_verified_at) values ($1, 'service', 'bot@example.com', 'Bot', now())`,
      [ids.next()],
    );
    expect(await resolveIdentity(world.db, identity('bot@example.com'), policy())).toEqual({ kind: 'unproven' });
  });

  test('comes back with a state once', async () => {
    const stateHash = random();
    const spent = await Promise.all([1, 2, 3].map(() => spendLoginState(world.db, stateHash, 60)));
    expect(spent.filter(Boolean)).toHaveLength(1);
    await world.shifted(61_000, (later) => prune(later));
    expect(await sql(world.db, 'select 1 from spent_login_states')).toEqual([]);
  });
});
