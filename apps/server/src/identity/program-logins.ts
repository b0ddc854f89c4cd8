import { randomInt } from 'node:crypto';
import { PlatformError, toPublicId } from '@everruns/contract';
import type { CliExchange, Uuid } from '@everruns/contract';
import {
  askForDevice,
  bindCliLogin,
  decideDeviceLogin,
  exchangeCliCode,
  findDeviceLogin,
  findUser,
  listMemberships,
  pollDeviceLogin,
  startCliLogin,
} from '@everruns/storage';
import type { Database, DeviceLoginRow, Granted, TokenForProgram, TokenMetadata } from '@everruns/storage';
import type { Caller } from '../http/caller.ts';
import { present } from '../services/present/fields.ts';
import { hashOf, newSecret, newTokenText } from './token-text.ts';
import { DAY_SECS, presentToken } from './tokens.ts';

/**
 * Programs that get a token of somebody who is logged in with a browser. The command line listens on a port of the same machine and is sent a
 * code there; a device without a browser shows a code that is entered somewhere else (RFC 8628).
 */
export interface ProgramLogins {
  startCli(redirectPort: number, ip: string): Promise<{ state: string }>;
  /** Where the browser goes with the code. Throws `invalid_login_code` for a state that nobody waits with, and `forbidden` for other programs. */
  bindCli(caller: Caller, state: string): Promise<string>;
  /** Throws `invalid_login_code`, `resource_limit_reached`. */
  exchangeCli(code: string, device: Device, ip: string): Promise<CliExchange>;
  startDevice(device: Device, ip: string): Promise<StartedDevice>;
  /** Null when no device waits with this code. */
  findDevice(userCode: string): Promise<DeviceLoginRow | null>;
  /** Null when no device waits with this code. Throws `forbidden` for programs. */
  decideDevice(caller: Caller, userCode: string, isApproved: boolean): Promise<DeviceLoginRow | null>;
  pollDevice(deviceCode: string): Promise<DevicePoll>;
}

export interface Device {
  hostname?: string | undefined;
  os?: string | undefined;
}

export interface StartedDevice {
  deviceCode: string;
  /** As it is shown: `BCDF-GHJK`. */
  userCode: string;
  lifetimeSecs: number;
  intervalSecs: number;
}

export type DevicePoll = CliExchange | 'limit' | 'unknown' | 'expired' | 'denied' | 'pending' | 'slow_down';

export interface ProgramLoginDeps {
  db: Database;
  newId: () => Uuid;
  /** Tokens of one user; 0 = no limit. */
  limit: number;
}

const CLI_LOGIN_SECS = 300;
const DEVICE_LOGIN_SECS = 900;
const POLL_SECS = 5;
const TOKEN_DAYS = 90;
/** Neither vowels, so that no words come out, nor what looks alike (RFC 8628, 6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const CODE_LENGTH = 8;

export function createProgramLogins({ db, newId, limit }: ProgramLoginDeps): ProgramLogins {
  const tokenFor = (device: Device, ip: string | null) => {
    const { text, hash, prefix } = newTokenText();
    const metadata = present({ source: 'cli_login', hostname: device.hostname ?? null, os: device.os ?? null, ip }) as TokenMetadata;
    const name = device.hostname === undefined ? 'Command line' : `Command line on ${device.hostname}`;
    const token: TokenForProgram = {
      id: newId(),
      name,
      hash,
      prefix,
      scopes: ['*'],
      metadata,
      expiresInSecs: TOKEN_DAYS * DAY_SECS,
      limit,
    };
    return { text, token };
  };
  return {
    async startCli(redirectPort, ip) {
      const state = newSecret();
      await startCliLogin(db, { id: newId(), stateHash: hashOf(state), redirectPort, ip, lifetimeSecs: CLI_LOGIN_SECS });
      return { state };
    },
    async bindCli(caller, state) {
      requirePerson(caller);
      const code = newSecret();
      const bound = { stateHash: hashOf(state), userId: caller.userId, codeHash: hashOf(code), lifetimeSecs: CLI_LOGIN_SECS };
      const port = await bindCliLogin(db, bound);
      if (port === null) throw unknownCode();
      return `http://localhost:${port}/callback?${new URLSearchParams({ code, state }).toString()}`;
    },
    async exchangeCli(code, device, ip) {
      const { text, token } = tokenFor(device, ip);
      const granted = await exchangeCliCode(db, hashOf(code), token);
      if (granted === 'unknown') throw unknownCode();
      if (granted === 'limit') throw new PlatformError('resource_limit_reached', `There can be ${limit} tokens that have not expired.`);
      return presentGrant(db, granted, text);
    },
    async startDevice({ hostname, os }, ip) {
      for (;;) {
        const [deviceCode, userCode] = [newSecret(), newUserCode()];
        const asked = { id: newId(), deviceHash: hashOf(deviceCode), userCode, hostname: hostname ?? null, os: os ?? null, ip };
        if (await askForDevice(db, { ...asked, intervalSecs: POLL_SECS, lifetimeSecs: DEVICE_LOGIN_SECS })) {
          return { deviceCode, userCode: shownCode(userCode), lifetimeSecs: DEVICE_LOGIN_SECS, intervalSecs: POLL_SECS };
        }
      }
    },
    findDevice: (userCode) => findDeviceLogin(db, plainCode(userCode)),
    async decideDevice(caller, userCode, isApproved) {
      requirePerson(caller);
      return decideDeviceLogin(db, plainCode(userCode), isApproved ? caller.userId : null);
    },
    async pollDevice(deviceCode) {
      let text = '';
      const answer = await pollDeviceLogin(db, hashOf(deviceCode), ({ hostname, os, ip }) => {
        const made = tokenFor({ ...(hostname !== null && { hostname }), ...(os !== null && { os }) }, ip);
        text = made.text;
        return made.token;
      });
      return typeof answer === 'string' ? answer : presentGrant(db, answer, text);
    },
  };
}

/** A token that could let programs in could give more than it has. */
function requirePerson({ credential: { kind } }: Caller): void {
  if (kind !== 'login' && kind !== 'anonymous') throw new PlatformError('forbidden', 'Only somebody who is logged in lets programs in.');
}

function unknownCode(): PlatformError {
  return new PlatformError('invalid_login_code', 'Nobody waits with this code, or its time is over. Start the login again.');
}

async function presentGrant(db: Database, { userId, token }: Granted, key: string): Promise<CliExchange> {
  const [user, memberships] = await Promise.all([findUser(db, userId), listMemberships(db, userId)]);
  return {
    personal_access_token: { ...presentToken(token), key },
    user: { id: userId, email: user?.email ?? '', name: user?.name ?? '' },
    organizations: memberships.map(({ org_id, org_name, role }) => ({
      public_id: toPublicId('organization', org_id),
      name: org_name,
      role,
    })),
  };
}

function newUserCode(): string {
  return Array.from({ length: CODE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** In two halves, which are easier to keep in mind. */
export function shownCode(code: string): string {
  return `${code.slice(0, CODE_LENGTH / 2)}-${code.slice(CODE_LENGTH / 2)}`;
}

/** However somebody typed it. */
export function plainCode(typed: string): string {
  return typed.toUpperCase().replace(/[^A-Z]/g, '');
}
