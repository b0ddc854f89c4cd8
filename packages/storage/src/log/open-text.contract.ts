import type { Uuid } from '@everruns/contract';
import { agentMessage, commitEvents, createLogSession, newTurn } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { markOpenText, readNewText, readTextOfSessions, truncateOlderText, unmarkOpenText, writeOpenText } from './open-text.ts';
import type { TextRow } from './open-text.ts';

const [A, B] = ['aaaaaaaa-0000-7000-8000-000000000001', 'bbbbbbbb-0000-7000-8000-000000000002'];
const MESSAGE = '11111111-1111-4111-8111-111111111111';

let database: TestDatabase;
let db: Database;
let sessionId: Uuid;
let context: { turn_id: string };

beforeEach(async () => {
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 2 });
  sessionId = await createLogSession(db);
  ({ context } = newTurn());
  await commitEvents(db, sessionId, [
    { type: 'input.message' },
    { type: 'turn.started', context },
    { type: 'output.message.started', context },
  ]);
});

afterEach(async () => {
  await db.close();
  await database.drop();
});

function row(n: number, offset: number, text: string, more: Partial<TextRow> = {}): TextRow {
  return { n, sessionId, messageId: MESSAGE, call: null, attempt: 1, stream: 'output', offset, startedSequence: 3, text, ...more };
}

const glance = (pieces: { instanceId: string; n: number; offset: number; text: string }[]) =>
  pieces.map(({ instanceId, n, offset, text }) => `${instanceId === A ? 'A' : 'B'}${n}: ${offset}+${text}`);

it('W10: brings what was written after a reader was there last, and how far that is', async () => {
  await writeOpenText(db, A, [row(1, 0, 'Hel')]);
  await writeOpenText(db, A, [row(2, 3, 'lo'), row(3, 0, 'else', { sessionId: A })]);
  await writeOpenText(db, B, [row(1, 0, 'Hi')]);
  const first = await readNewText(db, new Map([[A, 1]]), [sessionId]);
  expect([glance(first.pieces), first.through]).toEqual([['A2: 3+lo'], new Map([[A, 3]])]);
  expect(first.pieces[0]?.turnId).toBe(context.turn_id);
  const nothing = await readNewText(
    db,
    new Map([
      [A, 3],
      [B, 1],
    ]),
    [sessionId],
  );
  expect(nothing).toEqual({ pieces: [], through: new Map(), more: false });
  expect(glance(await readTextOfSessions(db, [sessionId]))).toEqual(['A1: 0+Hel', 'B1: 0+Hi', 'A2: 3+lo']);
});

it('brings many rows in several reads, over both tables, without leaving one out', async () => {
  const rows = Array.from({ length: 7_000 }, (_, n) => row(n + 1, n, 'x'));
  await writeOpenText(db, A, rows.slice(0, 6_000));
  await shiftClock(10);
  await writeOpenText(db, A, rows.slice(6_000));
  const seen: number[] = [];
  let [cursor, more] = [0, true];
  for (let reads = 0; more && reads < 10; reads++) {
    const read = await readNewText(db, new Map([[A, cursor]]), [sessionId]);
    seen.push(...read.pieces.map((piece) => piece.n));
    ({ more } = read);
    cursor = read.through.get(A) ?? cursor;
  }
  expect(seen).toEqual(rows.map(({ n }) => n));
});

it('keeps characters that a text column would not', async () => {
  const text = 'nul \0 half \ud83d "quoted" \\';
  await writeOpenText(db, A, [row(1, 0, text)]);
  expect((await readTextOfSessions(db, [sessionId]))[0]?.text).toBe(text);
});

it.each([
  ['completed', { type: 'output.message.completed', data: agentMessage(MESSAGE, 'Hello') }],
  ['started again', { type: 'reason.recovered' }],
  ['cancelled with its turn', { type: 'turn.cancelled' }],
] as const)('shows nothing of a message that was %s', async (_, end) => {
  await writeOpenText(db, A, [row(1, 0, 'Hello')]);
  await commitEvents(db, sessionId, [{ ...end, context }]);
  expect(await readTextOfSessions(db, [sessionId])).toEqual([]);
  expect(await readNewText(db, new Map([[A, 0]]), [sessionId])).toEqual({ pieces: [], through: new Map([[A, 1]]), more: false });
});

it('still shows the output after an episode of thinking has ended', async () => {
  await writeOpenText(db, A, [row(1, 0, 'Hello'), row(2, 0, 'hm', { stream: 'thinking', startedSequence: 4 })]);
  await commitEvents(db, sessionId, [
    { type: 'reason.thinking.started', context },
    { type: 'reason.thinking.completed', context },
  ]);
  expect(glance(await readTextOfSessions(db, [sessionId]))).toEqual(['A1: 0+Hello']);
});

it('shows what a call prints until that call, and not another one, is over', async () => {
  const starts = ['a', 'b'].map((id) => ({ type: 'tool.started' as const, context, data: { tool_call: { id } } }));
  await commitEvents(db, sessionId, starts);
  const of = (id: string) => ({ stream: 'tool' as const, messageId: null, call: { id, name: 'bash', channel: 'stderr' } });
  await writeOpenText(db, A, [row(1, 0, 'one', { ...of('a'), startedSequence: 4 }), row(2, 0, 'two', { ...of('b'), startedSequence: 5 })]);
  await commitEvents(db, sessionId, [{ type: 'tool.completed', context, data: { tool_call_id: 'b' } }]);
  expect(await readTextOfSessions(db, [sessionId])).toMatchObject([{ n: 1, text: 'one', ...of('a') }]);
  const { pieces } = await readNewText(db, new Map([[A, 0]]), [sessionId]);
  const printed = [
    ['one', null],
    ['two', 6],
  ];
  expect(pieces.map(({ text, overAt }) => [text, overAt])).toEqual(printed);
  expect((await readTextOfSessions(db, [sessionId], 'printed')).map(({ text, overAt }) => [text, overAt])).toEqual(printed);
  await commitEvents(db, sessionId, [{ type: 'tool.started', context, data: { tool_call: { id: 'a' } } }]);
  expect(await readTextOfSessions(db, [sessionId])).toEqual([]);
});

it('W10: tells the writer when the tables were emptied', async () => {
  expect(await writeOpenText(db, A, [row(1, 0, 'x')])).toBe(false);
  await markOpenText(db, A);
  await markOpenText(db, A);
  expect(await writeOpenText(db, A, [row(2, 1, 'y')])).toBe(true);
  expect(await writeOpenText(db, B, [row(1, 0, 'x')])).toBe(false);
  await db.run({ name: 'crash', text: 'truncate open_text_0, open_text_1, open_text_marker' });
  expect(await writeOpenText(db, A, [row(3, 2, 'z')])).toBe(false);
  await markOpenText(db, A);
  await unmarkOpenText(db, A);
  expect(await writeOpenText(db, A, [row(4, 3, '!')])).toBe(false);
});

/** Moves the database's clock, and with it the table that is written to. */
async function shiftClock(minutes: number): Promise<void> {
  await db.run({
    name: `shift_${minutes}`,
    text: `alter database ${new URL(database.url).pathname.slice(1)} set everruns.clock_shift = '${minutes} minutes'`,
  });
  await db.close();
  db = openDatabase({ ...database.settings, poolSize: 2 });
}

it('W10: empties the older table when no open message has text in it, and not before', async () => {
  await writeOpenText(db, A, [row(1, 0, 'Hel')]);
  expect(await truncateOlderText(db)).toBe(false);
  await shiftClock(10);
  await writeOpenText(db, A, [row(2, 3, 'lo')]);
  expect(glance(await readTextOfSessions(db, [sessionId]))).toEqual(['A1: 0+Hel', 'A2: 3+lo']);
  expect(await truncateOlderText(db)).toBe(false);
  await commitEvents(db, sessionId, [{ type: 'turn.completed', context }]);
  expect(await truncateOlderText(db)).toBe(true);
  expect(await truncateOlderText(db)).toBe(false);
  const [left] = await db.run({
    name: 'count',
    text: 'select (select count(*) from open_text_0) + (select count(*) from open_text_1) as n',
  });
  expect(left).toEqual({ n: 1 });
});

it('W10: leaves the older table alone while somebody reads it', async () => {
  await writeOpenText(db, A, [row(1, 0, 'x')]);
  await commitEvents(db, sessionId, [{ type: 'turn.completed', context }]);
  await shiftClock(10);
  const reader = await db.dedicated();
  await reader.query('begin');
  await reader.query('select count(*) from open_text_0, open_text_1');
  expect(await truncateOlderText(db)).toBe(false);
  await reader.query('commit');
  expect(await truncateOlderText(db)).toBe(true);
  await reader.end();
});
