import { createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { insertProvider } from '../resources/providers.ts';
import { checkEncryption } from './columns.ts';
import { SecretError } from './envelope.ts';
import type { NamedKey, SecretPlace } from './envelope.ts';
import { createVault } from './vault.ts';

const ids = createIdSource();
const OTHER_ORG = ids.next();
const kek = (id: string): NamedKey => ({ id, bytes: randomBytes(32) });
const placeOf = (rowId: string, orgId = DEFAULT_ORG_ID): SecretPlace => ({ table: 'providers', column: 'api_key_encrypted', rowId, orgId });

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
  await db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER_ORG]);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});
beforeEach(async () => {
  await db.run({ name: 'no_keys', text: 'truncate org_encryption_keys, providers' });
});

async function storeProvider(keyring: NamedKey[]): Promise<{ id: string; sealed: unknown }> {
  const id = ids.next();
  const sealed = await createVault({ db, keyring }).seal(placeOf(id), 'sk-1');
  const fields = {
    name: id,
    provider_type: 'openai',
    base_url: null,
    credentials_encrypted: null,
    trace: null,
    options: null,
    status: 'active' as const,
  };
  await insertProvider(db, { id, orgId: DEFAULT_ORG_ID, fields: { ...fields, api_key_encrypted: sealed } });
  return { id, sealed };
}

test('another process with the same key opens what one sealed', async () => {
  const key = kek('kek-v1');
  const sealed = await createVault({ db, keyring: [key] }).seal(placeOf('a'), 'sk-1');
  expect(await createVault({ db, keyring: [key] }).open(placeOf('a'), sealed)).toBe('sk-1');
});

test('one key per organization is made, and used for every value of it', async () => {
  const vault = createVault({ db, keyring: [kek('kek-v1')] });
  const sealed = [await vault.seal(placeOf('a'), '1'), await vault.seal(placeOf('b'), '2'), await vault.seal(placeOf('c', OTHER_ORG), '3')];
  expect(new Set(sealed.map(({ key_id }) => key_id)).size).toBe(2);
  const rows = await db.run<{ n: number }>({ name: 'count_keys', text: 'select count(*) as n from org_encryption_keys' });
  expect(rows[0]?.n).toBe(2);
});

test('a value that was opened once is not handed out for another row or organization', async () => {
  const vault = createVault({ db, keyring: [kek('kek-v1')] });
  const sealed = await vault.seal(placeOf('a'), 'sk-1');
  expect(await vault.open(placeOf('a'), sealed)).toBe('sk-1');
  await expect(vault.open(placeOf('b'), sealed)).rejects.toThrow(SecretError);
  await expect(vault.open(placeOf('a', OTHER_ORG), sealed)).rejects.toThrow(/has no key/);
});

test('the key of the other organization does not open it either', async () => {
  const vault = createVault({ db, keyring: [kek('kek-v1')] });
  const foreign = await vault.seal(placeOf('a', OTHER_ORG), 'sk-1');
  await expect(vault.open(placeOf('a'), foreign)).rejects.toThrow(SecretError);
});

test('an unknown organization key and an unknown key-encryption key fail', async () => {
  const key = kek('kek-v1');
  const sealed = await createVault({ db, keyring: [key] }).seal(placeOf('a'), 'sk-1');
  const vault = createVault({ db, keyring: [key] });
  await expect(vault.open(placeOf('a'), { ...sealed, key_id: ids.next() })).rejects.toThrow(/has no key/);
  await expect(createVault({ db, keyring: [kek('kek-v2')] }).open(placeOf('a'), sealed)).rejects.toThrow(/kek-v1 is not configured/);
});

test('after a change of the key-encryption key, old values open and new ones are sealed', async () => {
  const [old, current] = [kek('kek-v1'), kek('kek-v2')];
  const sealed = await createVault({ db, keyring: [old] }).seal(placeOf('a'), 'sk-1');
  const vault = createVault({ db, keyring: [current, old] });
  expect(await vault.open(placeOf('a'), sealed)).toBe('sk-1');
  expect(await vault.open(placeOf('b'), await vault.seal(placeOf('b'), 'sk-2'))).toBe('sk-2');
});

test('without a key nothing is sealed', async () => {
  const vault = createVault({ db, keyring: [] });
  expect(vault.available).toBe(false);
  await expect(vault.seal(placeOf('a'), 'sk-1')).rejects.toMatchObject({ code: 'encryption_unavailable', status: 400 });
});

test('a missing key is fine while nothing is encrypted and refused once something is', async () => {
  expect(await checkEncryption(db, [])).toEqual({ kind: 'no_key' });
  const key = kek('kek-v1');
  await storeProvider([key]);
  expect(await checkEncryption(db, [])).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('SECRETS_ENCRYPTION_KEY is not set'),
  });
  expect(await checkEncryption(db, [key])).toEqual({ kind: 'ready' });
});

test('a key of another id, or other bytes under the same id, is refused at start', async () => {
  await storeProvider([kek('kek-v1')]);
  expect(await checkEncryption(db, [kek('kek-v2')])).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('kek-v1 is not configured'),
  });
  expect(await checkEncryption(db, [kek('kek-v1')])).toMatchObject({ kind: 'refused' });
});

test('a lost key does not stop an installation that has no secret yet', async () => {
  const lost = createVault({ db, keyring: [kek('kek-v1')] });
  await lost.seal(placeOf('a'), 'never stored');
  const key = kek('kek-v1');
  expect(await checkEncryption(db, [key])).toEqual({ kind: 'ready' });
  const vault = createVault({ db, keyring: [key] });
  expect(await vault.open(placeOf('b'), await vault.seal(placeOf('b'), 'sk-2'))).toBe('sk-2');
});
