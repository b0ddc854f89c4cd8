import { createIdSource } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { SecretError } from './envelope.ts';
import type { NamedKey, SealedSecret, SecretPlace } from './envelope.ts';
import { rotateOrgKeys } from './rotate.ts';
import { createVault } from './vault.ts';

const ids = createIdSource();
const kek = (id: string): NamedKey => ({ id, bytes: randomBytes(32) });
const [OLD, CURRENT] = [kek('kek-v1'), kek('kek-v2')];
const BOTH = [CURRENT, OLD];
const placeOf = (orgId: string): SecretPlace => ({ table: 'providers', column: 'api_key_encrypted', rowId: 'row', orgId });

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});
beforeEach(async () => {
  await db.run({ name: 'no_keys', text: 'truncate org_encryption_keys' });
});

async function organizations(count: number): Promise<string[]> {
  const made = Array.from({ length: count }, () => ids.next());
  await db.run({ name: 'orgs', text: `insert into organizations (id, name) select x, x::text from unnest($1::uuid[]) x` }, [made]);
  return made;
}

const sealIn = (orgs: string[], keyring: NamedKey[]): Promise<SealedSecret[]> => {
  const vault = createVault({ db, keyring });
  return Promise.all(orgs.map((orgId) => vault.seal(placeOf(orgId), `secret of ${orgId}`)));
};

async function expectAllOpen(orgs: string[], sealed: SealedSecret[], keyring: NamedKey[]): Promise<void> {
  const vault = createVault({ db, keyring });
  const opened = await Promise.all(orgs.map((orgId, n) => vault.open(placeOf(orgId), sealed[n])));
  expect(opened).toEqual(orgs.map((orgId) => `secret of ${orgId}`));
}

const rotate = (change: Partial<Parameters<typeof rotateOrgKeys>[1]> = {}) =>
  rotateOrgKeys(db, { keyring: BOTH, batchSize: 3, isDryRun: false, ...change });

test('every key is brought under the current one, and what they encrypt opens without the old one', async () => {
  const orgs = await organizations(8);
  const sealed = await sealIn(orgs, [OLD]);
  expect(await rotate()).toEqual({ keys: 8, rewrapped: 8, behind: 0, unreadable: [] });
  await expectAllOpen(orgs, sealed, [CURRENT]);
  expect(await rotate()).toMatchObject({ rewrapped: 0, behind: 0 });
});

test('a dry run changes nothing', async () => {
  const orgs = await organizations(4);
  const sealed = await sealIn(orgs, [OLD]);
  expect(await rotate({ isDryRun: true })).toEqual({ keys: 4, rewrapped: 4, behind: 4, unreadable: [] });
  await expectAllOpen(orgs, sealed, [OLD]);
});

test('what was stopped in the middle is gone on with', async () => {
  const orgs = await organizations(7);
  const sealed = await sealIn(orgs, [OLD]);
  const stop = (): never => {
    throw new Error('stopped');
  };
  await expect(rotate({ onBatch: stop })).rejects.toThrow('stopped');
  await expectAllOpen(orgs, sealed, BOTH);
  expect(await rotate()).toEqual({ keys: 7, rewrapped: 4, behind: 0, unreadable: [] });
});

test('keys under one that is not configured are told of, and the others are done', async () => {
  const [lost] = [kek('kek-v0')];
  const [mine, theirs] = [await organizations(2), await organizations(1)];
  const sealed = await sealIn(mine, [OLD]);
  await sealIn(theirs, [lost]);
  const done = await rotate();
  expect(done).toMatchObject({ keys: 3, rewrapped: 2, behind: 1, unreadable: [{ reason: expect.stringContaining('kek-v0') }] });
  await expectAllOpen(mine, sealed, [CURRENT]);
});

test('without a key there is nothing to rotate to', async () => {
  await expect(rotate({ keyring: [] })).rejects.toThrow(SecretError);
});

test('beside servers that write, and beside itself: all that is written stays readable, and nothing is left under the old key', async () => {
  const orgs = await organizations(30);
  const before = await sealIn(orgs.slice(0, 10), [OLD]);
  const written: SealedSecret[] = [...before];
  const write = async (from: number, to: number): Promise<void> => {
    const vault = createVault({ db, keyring: BOTH });
    for (let n = from; n < to; n++) {
      const orgId = orgs[n] as string;
      written[n] = await vault.seal(placeOf(orgId), `secret of ${orgId}`);
      expect(await createVault({ db, keyring: BOTH }).open(placeOf(orgId), written[n])).toBe(`secret of ${orgId}`);
    }
  };
  // Into the organizations whose keys are being changed, by somebody who knows them and by somebody who opens them anew, until it is over.
  let over = false;
  let during = 0;
  const keepWriting = async (): Promise<void> => {
    const vault = createVault({ db, keyring: BOTH });
    for (let n = 0; !over || during < 20; n = (n + 1) % 10) {
      const orgId = orgs[n] as string;
      written[n] = await vault.seal(placeOf(orgId), `secret of ${orgId}`);
      expect(await createVault({ db, keyring: BOTH }).open(placeOf(orgId), written[n])).toBe(`secret of ${orgId}`);
      during++;
    }
  };
  const rotations = Promise.all([rotate({ batchSize: 1 }), rotate({ batchSize: 2 })]).finally(() => (over = true));
  const [[first, second]] = await Promise.all([rotations, write(10, 20), write(20, 30), keepWriting()]);
  expect(first.rewrapped + second.rewrapped).toBe(10);
  expect(during).toBeGreaterThanOrEqual(20);
  expect(await rotate()).toMatchObject({ keys: 30, rewrapped: 0, behind: 0 });
  await expectAllOpen(orgs, written, [CURRENT]);
});
