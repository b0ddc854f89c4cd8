import type { Uuid } from '@everruns/contract';
import { DEFAULT_ORG_ID } from '@everruns/contract';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { agentMessage, createLogSession, deleteLogSession } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startInstance, TEST_CONTEXT, TEST_MESSAGE } from './testing/instance.suite.ts';
import type { TestInstance } from './testing/instance.suite.ts';

const scope = { orgId: DEFAULT_ORG_ID };

let database: TestDatabase;
let db: Database;
let instance: TestInstance;
let sessionId: Uuid;
let sequence: number;

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 2 });
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

beforeEach(async () => {
  instance = await startInstance(database.settings, { perSessionMax: 2, ringEvents: 4 });
  sessionId = await createLogSession(db);
  sequence = await instance.commit(sessionId, { type: 'input.message' });
});

afterEach(() => instance.close());

const wait = (timeoutMs = 5_000, signal?: AbortSignal) =>
  instance.streams.waitForTurn({ scope, sessionId, sequence, timeoutMs, ...(signal === undefined ? {} : { signal }) });

it('gives what the agent said and how the turn ended', async () => {
  const waiting = wait();
  await instance.commit(sessionId, { type: 'turn.started' });
  await instance.commit(sessionId, { type: 'output.message.completed', data: agentMessage(TEST_MESSAGE, 'Let me look.') });
  await instance.commit(
    sessionId,
    { type: 'output.message.completed', data: agentMessage(TEST_MESSAGE, 'Done.') },
    { type: 'turn.completed' },
  );
  expect(await waiting).toMatchObject({
    status: 'completed',
    type: 'turn.completed',
    turnId: TEST_CONTEXT.turn_id,
    messages: [{ content: [{ text: 'Let me look.' }] }, { content: [{ text: 'Done.' }] }],
  });
  expect(instance.streams.stats().watchedSessions).toBe(0);
});

it('gives it also when the turn was over before, however long it was', async () => {
  for (let n = 0; n < 300; n++) await instance.commit(sessionId, { type: 'tool.progress' });
  await instance.commit(sessionId, { type: 'turn.failed', data: { error: 'out of luck', error_code: 'processing_error' } });
  await instance.commit(sessionId, { type: 'input.message' }, { type: 'turn.completed' });
  expect(await wait()).toMatchObject({
    status: 'failed',
    type: 'turn.failed',
    error: 'out of luck',
    errorCode: 'processing_error',
    messages: [],
  });
});

it('gives null when the time is up or the caller has gone', async () => {
  expect(await wait(20)).toBeNull();
  const caller = new AbortController();
  const waiting = wait(60_000, caller.signal);
  caller.abort();
  expect(await waiting).toBeNull();
});

it('is refused beyond the limit of streams before anything is posted, and counted out when it ends', async () => {
  const places = [await instance.streams.openTurnWait(scope, sessionId), await instance.streams.openTurnWait(scope, sessionId)];
  await expect(instance.streams.openTurnWait(scope, sessionId)).rejects.toMatchObject({ code: 'too_many_streams' });
  await expect(wait()).rejects.toMatchObject({ code: 'too_many_streams' });
  for (const place of places) place.close();
  expect(await wait(20)).toBeNull();
});

it('ends with not_found when there is no such session, or no longer', async () => {
  await expect(instance.streams.openTurnWait({ orgId: TEST_MESSAGE }, sessionId)).rejects.toMatchObject({ code: 'not_found' });
  const waiting = wait();
  const failed = expect(waiting).rejects.toMatchObject({ code: 'not_found' });
  await deleteLogSession(db, sessionId);
  instance.streams.feed.deleted(sessionId);
  await failed;
});
