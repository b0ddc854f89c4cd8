import { createIdSource, PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';
import { createOrgKey, open, parseSealed, seal, SecretError, unwrapOrgKey } from './envelope.ts';
import type { NamedKey, SealedSecret, SecretPlace, WrappedKey } from './envelope.ts';

/** The first key wraps new keys of organizations; all of them unwrap. Empty when no key is configured. */
export type Keyring = readonly NamedKey[];

export interface Vault {
  readonly available: boolean;
  /** Throws `encryption_unavailable` when no key is configured. */
  seal(place: SecretPlace, plaintext: string): Promise<SealedSecret>;
  /** Throws a `SecretError` when the stored value does not belong to `place` or its key is not there. */
  open(place: SecretPlace, sealed: unknown): Promise<string>;
}

export interface VaultOptions {
  db: Queryable;
  keyring: Keyring;
  /** Opened values kept in memory, by place and ciphertext. */
  cacheEntries?: number;
  newId?: () => Uuid;
}

const NEWEST_KEY: Statement = {
  name: 'org_key_newest',
  text: 'select id, key_encrypted from org_encryption_keys where org_id = $1 order by created_at desc, id desc limit 1',
};
const KEY_BY_ID: Statement = {
  name: 'org_key_by_id',
  text: 'select id, key_encrypted from org_encryption_keys where org_id = $1 and id = $2',
};
const ADD_KEY: Statement = { name: 'org_key_add', text: 'insert into org_encryption_keys (id, org_id, key_encrypted) values ($1, $2, $3)' };

interface KeyRow extends Record<string, unknown> {
  id: Uuid;
  key_encrypted: unknown;
}

/** Keeps the organizations' keys and opened values in memory; a ciphertext never changes its meaning, so nothing has to be invalidated. */
export function createVault(options: VaultOptions): Vault {
  const { db, keyring } = options;
  const ids = createIdSource();
  const newId = options.newId ?? (() => ids.next());
  const keys = new Map<string, NamedKey>();
  const newest = new Map<Uuid, NamedKey>();
  const opened = boundedMap<string>(options.cacheEntries ?? 1_000);
  const kek = keyring[0];

  const unwrap = (orgId: Uuid, row: KeyRow): NamedKey => unwrapOrgKey(row.key_encrypted, keyring, orgId, row.id);

  const keyForWriting = async (orgId: Uuid, wrapping: NamedKey): Promise<NamedKey> => {
    const known = newest.get(orgId);
    if (known !== undefined) return known;
    const [row] = await db.run<KeyRow>(NEWEST_KEY, [orgId]);
    const key = (row === undefined ? null : usable(() => unwrap(orgId, row))) ?? (await addOrgKey(db, { wrapping, orgId, id: newId() }));
    keys.set(`${orgId}/${key.id}`, key);
    newest.set(orgId, key);
    return key;
  };

  const keyForReading = async (orgId: Uuid, id: string): Promise<NamedKey> => {
    const known = keys.get(`${orgId}/${id}`);
    if (known !== undefined) return known;
    const [row] = await db.run<KeyRow>(KEY_BY_ID, [orgId, id]);
    if (row === undefined) throw new SecretError(`The organization has no key ${id}.`);
    const key = unwrap(orgId, row);
    keys.set(`${orgId}/${id}`, key);
    return key;
  };

  return {
    available: kek !== undefined,
    async seal(place, plaintext) {
      if (kek === undefined)
        throw new PlatformError('encryption_unavailable', 'Secrets cannot be stored: SECRETS_ENCRYPTION_KEY is not set.');
      return seal(plaintext, await keyForWriting(place.orgId, kek), place);
    },
    async open(place, stored) {
      const sealed = parseSealed(stored);
      const cacheKey = JSON.stringify([place, sealed.key_id, sealed.dek_wrapped, sealed.nonce, sealed.ciphertext]);
      const known = opened.get(cacheKey);
      if (known !== undefined) return known;
      const plaintext = open(sealed, await keyForReading(place.orgId, sealed.key_id), place);
      opened.set(cacheKey, plaintext);
      return plaintext;
    },
  };
}

/** A key whose KEK was lost before anything was encrypted (else the server does not start) is left behind for a new one. */
function usable(unwrap: () => NamedKey): NamedKey | null {
  try {
    return unwrap();
  } catch (error) {
    if (error instanceof SecretError) return null;
    throw error;
  }
}

/** Two instances may both add a first key; the newest encrypts from then on and both keep opening. */
async function addOrgKey(db: Queryable, made: { wrapping: NamedKey; orgId: Uuid; id: Uuid }): Promise<NamedKey> {
  const { key, wrapped }: { key: NamedKey; wrapped: WrappedKey } = createOrgKey(made.wrapping, made.orgId, made.id);
  await db.run(ADD_KEY, [made.id, made.orgId, wrapped]);
  return key;
}

function boundedMap<V>(limit: number): { get(key: string): V | undefined; set(key: string, value: V): void } {
  const entries = new Map<string, V>();
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      const oldest = entries.keys().next();
      if (entries.size >= limit && oldest.done !== true) entries.delete(oldest.value);
      entries.set(key, value);
    },
  };
}
