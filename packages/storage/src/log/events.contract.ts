import { DEFAULT_ORG_ID, parseEventId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { agentMessage, commitEvents, createLogSession, deleteLogSession, newTurn } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { catchUp, eventsAfter, lastSequences, sequenceRange, streamStart } from './events.ts';

const ORG = DEFAULT_ORG_ID;
const OTHER_ORG = '00000000-0000-0000-0000-000000000002';
const MESSAGE = '11111111-1111-4111-8111-111111111111';
const LIMITS = { rows: 100, bytes: 1_000_000 };

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

const at = (sessionId: Uuid, more: { after?: number | null; live?: boolean; orgId?: Uuid } = {}) => {
  return { sessionId, orgId: ORG, after: null, live: false, ...more };
};

/** 1 session.started, 2 input, 3 turn.started, 4 reason.started, 5 message started, then whatever the test adds. */
async function sessionInMessage(): Promise<{ sessionId: Uuid; turn: ReturnType<typeof newTurn> }> {
  const sessionId = await createLogSession(db);
  const turn = newTurn();
  const { context } = turn;
  await commitEvents(db, sessionId, [{ type: 'session.started' }]);
  await commitEvents(db, sessionId, [
    { type: 'input.message', context },
    { type: 'turn.started', context },
  ]);
  await commitEvents(db, sessionId, [{ type: 'reason.started', context, data: { attempt: 1 } }]);
  await commitEvents(db, sessionId, [
    { type: 'output.message.started', context, data: { message_id: `message_${MESSAGE.replaceAll('-', '')}` } },
  ]);
  return { sessionId, turn };
}

const OUTPUT = { startedSequence: 5, messageId: `message_${MESSAGE.replaceAll('-', '')}`, attempt: 1, outputOffset: null };

describe('an event as it is read', () => {
  it('is the same as the one that was told from memory', async () => {
    const sessionId = await createLogSession(db);
    const turn = newTurn();
    const draft = {
      type: 'tool.completed',
      context: turn.context,
      data: { b: [1, 'zwei', null, { c: 'line\nbreak "quoted" \\ 🙂' }], a: 1.5 },
    } as const;
    const written = await commitEvents(db, sessionId, [draft, { ...draft, tags: ['x', 'y"z'], metadata: { k: [true] } }]);
    const read = await eventsAfter(db, { sessionId, orgId: ORG, after: 0 }, LIMITS);
    expect(read.map((row) => JSON.parse(row.json) as unknown)).toEqual([
      written[0],
      { ...written[1], metadata: { k: [true] }, tags: ['x', 'y"z'] },
    ]);
    expect(read.map(({ sequence, type, id }) => ({ sequence, type, id }))).toEqual(
      written.map(({ sequence, type, id }) => ({ sequence, type, id })),
    );
    for (const { json } of read) expect(json).not.toMatch(/[\r\n]/);
  });

  it('has an id that says where it stands', async () => {
    const sessionId = await createLogSession(db);
    const [event] = await commitEvents(db, sessionId, [{ type: 'session.started' }]);
    expect(parseEventId(event?.id ?? '')).toMatchObject({
      kind: 'durable',
      sequence: 1,
      sessionTag: Number.parseInt(sessionId.slice(-3), 16),
    });
  });

  it('never shows what is kept for the provider', async () => {
    const sessionId = await createLogSession(db);
    await commitEvents(db, sessionId, [
      { type: 'output.message.completed', data: agentMessage(MESSAGE, 'hi'), replay: { parts: ['canary-7f3a'] } },
    ]);
    const page = await eventsAfter(db, { sessionId, orgId: ORG, after: 0 }, LIMITS);
    const many = await catchUp(db, [{ sessionId, orgId: ORG, after: 0 }], LIMITS);
    expect(JSON.stringify([page, [...many.values()]])).not.toContain('canary');
  });
});

describe('pages after a sequence', () => {
  it('end at the row limit and at the byte limit, and always have one event', async () => {
    const sessionId = await createLogSession(db);
    const noise = Array.from({ length: 400 }, () => Math.random().toString(36)).join('');
    for (let n = 0; n < 6; n++) await commitEvents(db, sessionId, [{ type: 'tool.progress', data: { noise } }]);
    const sequences = async (after: number, limits: { rows: number; bytes: number }) =>
      (await eventsAfter(db, { sessionId, orgId: ORG, after }, limits)).map((row) => row.sequence);
    expect(await sequences(1, { rows: 3, bytes: 1_000_000 })).toEqual([2, 3, 4]);
    expect(await sequences(0, { rows: 100, bytes: 1 })).toEqual([1]);
    expect(await sequences(0, { rows: 100, bytes: 12_000 })).toEqual([1, 2, 3]);
    expect(await sequences(6, LIMITS)).toEqual([]);
  });

  it('of another organization are empty', async () => {
    const { sessionId } = await sessionInMessage();
    expect(await eventsAfter(db, { sessionId, orgId: OTHER_ORG, after: 0 }, LIMITS)).toEqual([]);
    expect((await catchUp(db, [{ sessionId, orgId: OTHER_ORG, after: 0 }], LIMITS)).size).toBe(0);
    expect(await sequenceRange(db, { sessionId, orgId: OTHER_ORG })).toBeNull();
  });

  it('come for many sessions at once, without those that are gone', async () => {
    const [one, two, gone] = [await createLogSession(db), await createLogSession(db), await createLogSession(db)];
    for (const id of [one, two, gone]) await commitEvents(db, id, [{ type: 'session.started' }, { type: 'input.message' }]);
    await deleteLogSession(db, gone);
    const found = await catchUp(
      db,
      [one, two, gone].map((sessionId, index) => ({ sessionId, orgId: ORG, after: index + 1 })),
      LIMITS,
    );
    expect([...found].map(([id, { lastSequence, events }]) => [id, lastSequence, events.map((row) => row.sequence)])).toEqual(
      [
        [one, 2, [2]],
        [two, 2, []],
      ].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
    expect(await lastSequences(db, [one, two, gone])).toEqual(new Map([one, two].map((id) => [id, 2])));
  });
});

describe('the start of a stream', () => {
  it('is where the cursor says, at the end for a live one, and before the last message of the user without one', async () => {
    const { sessionId } = await sessionInMessage();
    const after = async (more: Parameters<typeof at>[1]) => (await streamStart(db, at(sessionId, more)))?.after;
    expect(await after({ after: 3 })).toBe(3);
    expect(await after({ after: 0 })).toBe(0);
    expect(await after({ live: true })).toBe(5);
    expect(await after({})).toBe(1);
    expect(await after({ after: 6 })).toBe(1);
    expect((await streamStart(db, at(await createLogSession(db))))?.after).toBe(0);
  });

  it('does not exist for another organization or a session that is gone', async () => {
    const { sessionId } = await sessionInMessage();
    expect(await streamStart(db, at(sessionId, { orgId: OTHER_ORG }))).toBeNull();
    await deleteLogSession(db, sessionId);
    expect(await streamStart(db, at(sessionId))).toBeNull();
  });

  it('knows the texts that are open there', async () => {
    const { sessionId, turn } = await sessionInMessage();
    const { context } = turn;
    const open = async (after: number) => (await streamStart(db, at(sessionId, { after })))?.open;
    expect(await open(4)).toMatchObject({ output: null, thinking: null, attempt: 1 });
    expect(await open(5)).toMatchObject({ output: OUTPUT });
    await commitEvents(db, sessionId, [{ type: 'input.message', context }]);
    await commitEvents(db, sessionId, [{ type: 'reason.thinking.started', context, data: { output_offset: 12 } }]);
    expect(await open(7)).toEqual({
      attempt: 1,
      output: OUTPUT,
      thinking: { startedSequence: 7, messageId: null, attempt: 1, outputOffset: 12 },
    });
    await commitEvents(db, sessionId, [{ type: 'reason.recovered', context, data: { attempt: 2 } }]);
    expect(await open(8)).toEqual({ attempt: 2, output: null, thinking: null });
    await commitEvents(db, sessionId, [{ type: 'output.message.started', context, data: { message_id: OUTPUT.messageId } }]);
    expect((await open(9))?.output).toEqual({ ...OUTPUT, startedSequence: 9, attempt: 2 });
    await commitEvents(db, sessionId, [{ type: 'output.message.completed', context, data: agentMessage(MESSAGE, 'x') }]);
    expect((await open(10))?.output).toBeNull();
    await commitEvents(db, sessionId, [{ type: 'turn.completed', context }]);
    expect(await open(11)).toEqual({ attempt: null, output: null, thinking: null });
    expect((await open(9))?.output).not.toBeNull();
  });

  it('after events that were removed from the log says what is left', async () => {
    const { sessionId } = await sessionInMessage();
    await db.run({ name: 'prune', text: 'update session_heads set first_seq = 4 where session_id = $1' }, [sessionId]);
    expect(await streamStart(db, at(sessionId, { after: 0 }))).toMatchObject({ firstSequence: 4, after: 3 });
  });
});
