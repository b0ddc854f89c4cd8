import type { Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { addToken, isReferenceViolation } from './tokens.ts';
import type { NewToken, TokenRow } from './tokens.ts';

/** Programs that get a token because somebody lets them in with a browser: the command line, and devices that show a code (RFC 8628). */

export interface NewCliLogin {
  id: Uuid;
  stateHash: Uint8Array;
  redirectPort: number;
  ip: string;
  lifetimeSecs: number;
}

const START: Statement = {
  name: 'cli_login_start',
  text: `insert into cli_logins (id, state_hash, redirect_port, ip, expires_at) values ($1, $2, $3, $4, engine_now() + make_interval(secs => $5))`,
};
/** Whoever comes second with a state comes too late. */
const BIND: Statement = {
  name: 'cli_login_bind',
  text: `update cli_logins set user_id = $2, code_hash = $3, expires_at = engine_now() + make_interval(secs => $4)
    where state_hash = $1 and user_id is null and expires_at > engine_now() returning redirect_port`,
};
const TAKE: Statement = {
  name: 'cli_login_take',
  text: `delete from cli_logins where code_hash = $1 and expires_at > engine_now() returning user_id`,
};

export async function startCliLogin(db: Queryable, login: NewCliLogin): Promise<void> {
  const { id, stateHash, redirectPort, ip, lifetimeSecs } = login;
  await db.run(START, [id, stateHash, redirectPort, ip, lifetimeSecs]);
}

/** The port of the program that waits; null when nobody waits with this state, any more. */
export async function bindCliLogin(
  db: Queryable,
  bound: { stateHash: Uint8Array; userId: Uuid; codeHash: Uint8Array; lifetimeSecs: number },
): Promise<number | null> {
  const { stateHash, userId, codeHash, lifetimeSecs } = bound;
  const [row] = await db.run<{ redirect_port: number }>(BIND, [stateHash, userId, codeHash, lifetimeSecs]);
  return row?.redirect_port ?? null;
}

/** A token but for whose it is. */
export type TokenForProgram = Omit<NewToken, 'userId' | 'madeWith' | 'orgId'>;

export type Granted = { userId: Uuid; token: TokenRow };

/** Spends the code for a token, both or neither. */
export function exchangeCliCode(db: Database, codeHash: Uint8Array, token: TokenForProgram): Promise<Granted | 'unknown' | 'limit'> {
  return grant(db, async (tx) => {
    const [row] = await tx.run<{ user_id: Uuid }>(TAKE, [codeHash]);
    return row === undefined ? 'unknown' : give(tx, row.user_id, token);
  });
}

class AtLimit extends Error {}

async function give(tx: Queryable, userId: Uuid, token: TokenForProgram): Promise<Granted> {
  const row = await addToken(tx, { ...token, userId, orgId: null, madeWith: null });
  if (row === null) throw new AtLimit('at the limit'); // what has been spent for it is not spent
  return { userId, token: row };
}

async function grant<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<T | 'limit' | 'unknown'> {
  try {
    return await db.transaction(work);
  } catch (error) {
    if (error instanceof AtLimit) return 'limit';
    if (isReferenceViolation(error)) return 'unknown';
    throw error;
  }
}

export interface NewDeviceLogin {
  id: Uuid;
  deviceHash: Uint8Array;
  userCode: string;
  hostname: string | null;
  os: string | null;
  ip: string;
  intervalSecs: number;
  lifetimeSecs: number;
}

export interface DeviceLoginRow extends Row {
  user_code: string;
  hostname: string | null;
  os: string | null;
  ip: string | null;
}

const ASK: Statement = {
  name: 'device_login_ask',
  text: `insert into device_logins (id, device_hash, user_code, hostname, os, ip, interval_secs, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, engine_now() + make_interval(secs => $8)) on conflict (user_code) do nothing returning id`,
};
const WAITING = `user_code = $1 and status = 'pending' and expires_at > engine_now()`;
const FIND: Statement = { name: 'device_login_find', text: `select user_code, hostname, os, ip from device_logins where ${WAITING}` };
const DECIDE: Statement = {
  name: 'device_login_decide',
  text: `update device_logins set status = case when $2::uuid is null then 'denied' else 'approved' end, user_id = $2
    where ${WAITING} returning user_code, hostname, os, ip`,
};
/** Who asks sooner than the interval says has to wait longer from then on (RFC 8628, 3.5). */
const POLL: Statement = {
  name: 'device_login_poll',
  text: `with d as (select id, status, user_id, hostname, os, ip, expires_at <= engine_now() as is_expired,
        coalesce(polled_at + make_interval(secs => interval_secs) > engine_now(), false) as is_early
      from device_logins where device_hash = $1 for update)
    update device_logins l set polled_at = engine_now(), interval_secs = l.interval_secs + case when d.is_early then 5 else 0 end
    from d where l.id = d.id returning d.id, d.status, d.user_id, d.hostname, d.os, d.ip, d.is_expired, d.is_early`,
};
const REMOVE: Statement = { name: 'device_login_remove', text: 'delete from device_logins where id = $1' };

/** False when the user code is taken; then with another one. */
export async function askForDevice(db: Queryable, login: NewDeviceLogin): Promise<boolean> {
  const { id, deviceHash, userCode, hostname, os, ip, intervalSecs, lifetimeSecs } = login;
  return (await db.run(ASK, [id, deviceHash, userCode, hostname, os, ip, intervalSecs, lifetimeSecs])).length > 0;
}

/** The device that waits with this code, or null. */
export async function findDeviceLogin(db: Queryable, userCode: string): Promise<DeviceLoginRow | null> {
  return (await db.run<DeviceLoginRow>(FIND, [userCode]))[0] ?? null;
}

/** Lets the device in as this user, or refuses it with null; once. */
export async function decideDeviceLogin(db: Queryable, userCode: string, userId: Uuid | null): Promise<DeviceLoginRow | null> {
  return (await db.run<DeviceLoginRow>(DECIDE, [userCode, userId]))[0] ?? null;
}

interface Polled extends Row {
  id: Uuid;
  status: 'pending' | 'approved' | 'denied';
  user_id: Uuid | null;
  hostname: string | null;
  os: string | null;
  ip: string | null;
  is_expired: boolean;
  is_early: boolean;
}

export type DeviceAnswer = Granted | 'limit' | 'unknown' | 'expired' | 'denied' | 'pending' | 'slow_down';

/** What a device is told that asks whether it is let in. Its token is given once. */
export function pollDeviceLogin(
  db: Database,
  deviceHash: Uint8Array,
  tokenFor: (device: { hostname: string | null; os: string | null; ip: string | null }) => TokenForProgram,
): Promise<DeviceAnswer> {
  return grant<DeviceAnswer>(db, async (tx) => {
    const [row] = await tx.run<Polled>(POLL, [deviceHash]);
    if (row === undefined) return 'unknown';
    if (row.is_expired) return 'expired';
    if (row.status === 'pending') return row.is_early ? 'slow_down' : 'pending';
    await tx.run(REMOVE, [row.id]);
    return row.user_id === null ? 'denied' : give(tx, row.user_id, tokenFor(row));
  });
}
