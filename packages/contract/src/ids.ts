/**
 * Identifiers. Inside, an id is a UUID; on the wire it is `{prefix}_{32 lowercase hex digits}` (contract 1.4). The functions here are
 * the only place that knows both forms.
 */

export const ID_PREFIXES = {
  organization: 'org',
  agent: 'agent',
  harness: 'harness',
  mcp: 'mcp',
  session: 'session',
  message: 'message',
  event: 'event',
  turn: 'turn',
  exec: 'exec',
  provider: 'provider',
  model: 'model',
  workspace: 'wsp',
  memory: 'mem',
  knowledge_base: 'kb',
  knowledge_entry: 'kbe',
  principal: 'principal',
  image: 'img',
  participant: 'part',
  schedule: 'sched',
  task: 'task',
  task_message: 'tmsg',
  task_webhook: 'wh',
  user: 'user',
  budget: 'bdgt',
  ledger: 'ledger',
  skill: 'skill',
  resource: 'resource',
  audit_log: 'audit',
  invitation: 'invite',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

/** A UUID in its dashed lower-case form. */
export type Uuid = string;

const PUBLIC_ID = /^([a-z]+)_([0-9a-f]{32})$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export function toPublicId(kind: IdKind, uuid: Uuid): string {
  return `${ID_PREFIXES[kind]}_${uuid.replaceAll('-', '')}`;
}

/** The UUID of a public id, or null when the prefix, the length or the alphabet is wrong. */
export function fromPublicId(kind: IdKind, id: string): Uuid | null {
  const match = PUBLIC_ID.exec(id);
  return match !== null && match[1] === ID_PREFIXES[kind] ? dashed(match[2] as string) : null;
}

export function dashed(hex: string): Uuid {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The one organization of a fresh installation. */
export const DEFAULT_ORG_ID: Uuid = '00000000-0000-0000-0000-000000000001';
/** The user that every request is in auth mode `none`. */
export const ANONYMOUS_USER_ID: Uuid = '00000000-0000-0000-0000-000000000001';

/** Source of randomness and time for ids; a parameter wherever ids are made. */
export interface IdSource {
  /** A UUIDv7. Each one is greater than those that this source made before it. */
  next(): Uuid;
  /** A random UUIDv4 (message ids). */
  random(): Uuid;
}

/**
 * Within a millisecond, and when the clock steps back, a counter in the 12 bits behind the time keeps the order (RFC 9562, section 6.2, method 1): what is
 * made together is queued and listed in the order of its making.
 */
export function createIdSource(nowMs: () => number = Date.now, randomBytes: (n: number) => Uint8Array = webRandom): IdSource {
  let lastMs = 0;
  let count = 0;
  return {
    next: () => {
      const random = Uint8Array.from(randomBytes(10));
      const atMs = nowMs();
      if (atMs > lastMs) {
        lastMs = atMs;
        count = (((random[0] as number) & 0x07) << 8) | (random[1] as number);
      } else if (++count > 0xfff) {
        lastMs++;
        count = 0;
      }
      random[0] = count >> 8;
      random[1] = count & 0xff;
      return uuidv7(lastMs, random);
    },
    random: () => uuidv4(randomBytes(16)),
  };
}

function webRandom(n: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(n));
}

/** RFC 9562 version 7: 48 bits of milliseconds, then 74 random bits around version and variant. */
export function uuidv7(atMs: number, random: Uint8Array): Uuid {
  const bytes = new Uint8Array(16);
  let rest = atMs;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return dashed(hexOf(bytes));
}

function uuidv4(random: Uint8Array): Uuid {
  const bytes = Uint8Array.from(random);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return dashed(hexOf(bytes));
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}
