import { createIdSource, DEFAULT_ORG_ID, uuidv7 } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_RETENTION, pruneAll } from '../core/prune.ts';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { insertAudit, listAudit } from './audit.ts';
import type { AuditEntry } from './audit.ts';

const DAY_MS = 86_400_000;
const ids = createIdSource();
let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  const database = await testDatabase();
  db = openDatabase(database.settings);
  drop = () => database.drop();
});
afterAll(async () => {
  await db.close();
  await drop();
});

const entry = (action: string): AuditEntry => ({
  orgId: DEFAULT_ORG_ID,
  actorUserId: null,
  credential: null,
  domain: 'agents',
  action,
  target: null,
  reason: null,
  ip: null,
  requestId: null,
  metadata: {},
});
const filter = { action: null, actor: null, target: null, domain: null, since: null, until: null, before: null };
const actions = async (): Promise<string[]> => (await listAudit(db, DEFAULT_ORG_ID, { filter, limit: 10 })).map(({ action }) => action);

test('entries go when they are older than the days that are kept, and no earlier', async () => {
  const now = Date.now();
  const random = new Uint8Array(10).fill(255);
  for (const [action, days] of [
    ['long ago', 400],
    ['just out', 31],
    ['just in', 29],
  ] as const) {
    await insertAudit(db, uuidv7(now - days * DAY_MS, random), entry(action));
  }
  await insertAudit(db, ids.next(), entry('now'));
  expect(await actions()).toEqual(['now', 'just in', 'just out', 'long ago']);
  await pruneAll(db, () => false, { ...DEFAULT_RETENTION, auditDays: 365 });
  expect(await actions()).toEqual(['now', 'just in', 'just out']);
  await pruneAll(db, () => false, { ...DEFAULT_RETENTION, auditDays: 30 });
  expect(await actions()).toEqual(['now', 'just in']);
});

test('an entry that is written with a change is there only with it', async () => {
  const failed = db.transaction(async (tx) => {
    await insertAudit(tx, ids.next(), entry('undone'));
    throw new Error('the change failed');
  });
  await expect(failed).rejects.toThrow('the change failed');
  expect(await actions()).not.toContain('undone');
});
