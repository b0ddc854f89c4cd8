import { createIdSource, durableEventId, ephemeralEventId, toPublicId } from '@everruns/contract';
import type { DurableEvent, Uuid } from '@everruns/contract';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { commitEvents, createLogSession } from '@everruns/testing/log-writer';
import type { EventDraft } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startInstance } from './testing/instance.suite.ts';
import type { TestInstance } from './testing/instance.suite.ts';

const OTHER_ORG = '00000000-0000-0000-0000-000000000002';
const ids = createIdSource();
const [turnOne, turnTwo] = [toPublicId('turn', ids.next()), toPublicId('turn', ids.next())];
const EXEC = toPublicId('exec', ids.next());

let database: TestDatabase;
let db: Database;
let instance: TestInstance;
let sessionId: Uuid;
let events: DurableEvent[];

/** 1 to 6 the first turn, 7 to 12 the second. */
const drafts: EventDraft[] = [
  { type: 'input.message', context: {}, data: { message: { content: [{ type: 'text', text: 'Find the Blue Whale, 50% off_line' }] } } },
  { type: 'turn.started', context: { turn_id: turnOne } },
  {
    type: 'tool.started',
    context: { turn_id: turnOne, exec_id: EXEC },
    data: { tool_name: 'search', tool_call: { arguments: { depth: 42 } } },
  },
  {
    type: 'tool.completed',
    context: { turn_id: turnOne, exec_id: EXEC },
    data: { tool_name: 'search', success: false },
    tags: ['red', 'green'],
  },
  { type: 'turn.completed', context: { turn_id: turnOne, trace_id: turnOne } },
  { type: 'session.idled', context: { turn_id: turnOne } },
  { type: 'input.message', context: {}, data: { message: { content: [{ type: 'text', text: 'Now the whale shark' }] } }, tags: ['blue'] },
  { type: 'turn.started', context: { turn_id: turnTwo } },
  { type: 'tool.started', context: { turn_id: turnTwo }, data: { tool_name: 'fetch' } },
  { type: 'tool.completed', context: { turn_id: turnTwo }, data: { tool_name: 'fetch', success: true } },
  { type: 'turn.failed', context: { turn_id: turnTwo } },
  { type: 'session.idled', context: { turn_id: turnTwo } },
];

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 2 });
  instance = await startInstance(database.settings);
  sessionId = await createLogSession(db);
  events = [];
  for (const draft of drafts) events.push(...(await commitEvents(db, sessionId, [draft])));
});

afterAll(async () => {
  await instance.close();
  await db.close();
  await database.drop();
});

interface Answer {
  status: number;
  total: string | null;
  body: { data: DurableEvent[]; code?: string; field?: string };
}

async function list(query: string, headers: Record<string, string> = {}, id = sessionId): Promise<Answer> {
  const response = await fetch(`${instance.baseUrl}/v1/sessions/${toPublicId('session', id)}/events?${query}`, { headers });
  return { status: response.status, total: response.headers.get('x-total-count'), body: (await response.json()) as Answer['body'] };
}

async function sequences(query: string): Promise<number[]> {
  const { status, body } = await list(query);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.data.map((event) => event.sequence);
}

/** An event id as a session with another tag would have it. */
const foreignId = (): string => durableEventId(`${sessionId.slice(0, -1)}${sessionId.endsWith('0') ? '1' : '0'}`, 1, Date.now(), 1);

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const idAt = (sequence: number): string => events[sequence - 1]?.id ?? '';
const tsAt = (sequence: number): string => encodeURIComponent(events[sequence - 1]?.ts ?? '');

describe('the list', () => {
  it('has all events as they are in the log, oldest first', async () => {
    const { body, total } = await list('');
    expect(body.data).toEqual(
      events.map((event, index) => ({ ...event, ...(drafts[index]?.tags === undefined ? {} : { tags: drafts[index].tags }) })),
    );
    expect(total).toBeNull();
  });

  it('is empty for a session without events', async () => {
    const { status, body } = await list('', {}, await createLogSession(db));
    expect([status, body]).toEqual([200, { data: [] }]);
  });

  it.each<[string, () => string, number[]]>([
    ['types', () => 'types=turn.started&types=turn.failed', [2, 8, 11]],
    ['exclude', () => 'exclude=input.message&exclude=tool.started&exclude=session.idled', [2, 4, 5, 8, 10, 11]],
    ['types without exclude', () => 'types=turn.started&types=turn.failed&exclude=turn.started', [11]],
    ['an ephemeral type, which is never stored', () => 'types=output.message.delta', []],
    ['a limit: the last ones', () => 'limit=3', [10, 11, 12]],
    ['a limit of one type', () => 'limit=1&types=tool.started', [9]],
    ['since_id', () => `since_id=${idAt(9)}`, [10, 11, 12]],
    ['since_id at the end', () => `since_id=${idAt(12)}`, []],
    ['after_sequence', () => 'after_sequence=10', [11, 12]],
    ['after_sequence 0', () => 'after_sequence=0', range(1, 12)],
    ['after_sequence and a limit: the first ones', () => 'after_sequence=3&limit=2', [4, 5]],
    ['since_id and a limit: the first ones', () => `since_id=${idAt(3)}&limit=2`, [4, 5]],
    ['before_sequence and a limit, from the start of a turn', () => 'before_sequence=12&limit=2', range(8, 11)],
    ['before_sequence at the start of a turn', () => 'before_sequence=12&limit=4', range(8, 11)],
    ['before_sequence at the first event', () => 'before_sequence=2&limit=5', [1]],
    ['before_sequence with a type, back to the turn', () => 'before_sequence=11&limit=1&types=tool.completed&types=tool.started', [9, 10]],
    ['a part in the middle', () => 'after_sequence=3&before_sequence=7&limit=100', [4, 5, 6]],
    ['around', () => `around=${idAt(6)}&window=2`, [4, 5, 6, 7, 8]],
    ['around at the edge', () => `around=${idAt(12)}&window=3`, [9, 10, 11, 12]],
    ['around with a type', () => `around=${idAt(6)}&window=2&types=tool.started&types=tool.completed`, [3, 4, 9, 10]],
    ['around with its default window', () => `around=${idAt(1)}`, range(1, 12)],
    ['turn_id', () => `turn_id=${turnOne}`, range(2, 6)],
    ['exec_id', () => `exec_id=${EXEC}`, [3, 4]],
    ['trace_id', () => `trace_id=${turnOne}`, [5]],
    ['tags: any of them', () => 'tags=green&tags=blue', [4, 7]],
    ['tool_name', () => 'tool_name=fetch', [9, 10]],
    ['q: every word, in any case', () => 'q=WHALE%20blue', [1]],
    ['q: several events', () => 'q=whale', [1, 7]],
    ['q: numbers', () => 'q=42', [3]],
    ['q: wild cards are letters', () => 'q=50%25%20off_line', [1]],
    ['q: names of fields are not searched', () => 'q=tool_name', []],
    ['q: blank', () => 'q=%20', range(1, 12)],
    ['from_ts', () => `from_ts=${tsAt(1)}`, range(1, 12)],
    ['to_ts before everything', () => 'to_ts=2001-01-01T00:00:00Z', []],
    ['several at once', () => `turn_id=${turnTwo}&types=tool.completed&types=tool.started&tool_name=fetch&after_sequence=9`, [10]],
    ['order_desc', () => 'order_desc=true&after_sequence=9', [12, 11, 10]],
    ['order_desc and a limit', () => 'order_desc=true&limit=2', [12, 11]],
    ['order_desc and older pages', () => 'order_desc=true&before_sequence=12&limit=1', [11, 10, 9, 8]],
  ])('with %s', async (_, query, expected) => {
    expect(await sequences(query())).toEqual(expected);
  });

  it('resumes from the id of a delta', async () => {
    const id = ephemeralEventId(sessionId, Date.now(), { sequence: 10, offset: 7, stream: 'output', tag: 3 });
    expect(await sequences(`since_id=${id}`)).toEqual([11, 12]);
  });

  it.each<[string, string]>([
    ['limit=5', '12'],
    ['limit=1&before_sequence=3', '12'],
    ['limit=1&types=turn.started', '2'],
    ['limit=1&q=whale', '2'],
    ['limit=1&types=output.message.delta', '0'],
  ])('with "%s" says that there are %s', async (query, total) => {
    expect((await list(query)).total).toBe(total);
  });

  it('reads more than one page without a limit, in both directions', async () => {
    const long = await createLogSession(db);
    await commitEvents(
      db,
      long,
      Array.from({ length: 450 }, () => ({ type: 'tool.progress' as const })),
    );
    const read = async (query: string) => (await list(query, {}, long)).body.data.map((event) => event.sequence);
    expect(await read('')).toEqual(range(1, 450));
    expect(await read('order_desc=true')).toEqual(range(1, 450).reverse());
    expect(await read('after_sequence=250')).toEqual(range(251, 450));
  });

  it('ends at 10,000 events without a limit', async () => {
    const long = await createLogSession(db);
    for (let n = 0; n < 11; n++)
      await commitEvents(
        db,
        long,
        Array.from({ length: 1_000 }, () => ({ type: 'tool.progress' as const })),
      );
    expect((await list('', {}, long)).body.data.length).toBe(10_000);
  });
});

describe('a bad query', () => {
  it.each<[string, () => string, string, string]>([
    ['unknown type', () => 'types=nope', 'unknown_event_type', 'types'],
    ['unknown type left out', () => 'exclude=nope', 'unknown_event_type', 'exclude'],
    ['limit 0', () => 'limit=0', 'invalid_request', 'limit'],
    ['limit too large', () => 'limit=1001', 'invalid_request', 'limit'],
    ['limit no number', () => 'limit=ten', 'invalid_request', 'limit'],
    ['before_sequence without a limit', () => 'before_sequence=4', 'invalid_request', 'limit'],
    ['two cursors', () => `since_id=${idAt(1)}&after_sequence=1`, 'conflicting_parameters', 'after_sequence'],
    ['around and a cursor', () => `around=${idAt(1)}&after_sequence=1`, 'conflicting_parameters', 'around'],
    ['window too large', () => `around=${idAt(1)}&window=501`, 'invalid_request', 'window'],
    ['malformed since_id', () => 'since_id=event_xyz', 'malformed_id', 'since_id'],
    ['a sequence that the log has not reached', () => 'after_sequence=13', 'unknown_cursor', 'after_sequence'],
    [
      'around an event that is not there',
      () => `around=${idAt(3).slice(0, -1)}${idAt(3).endsWith('0') ? '1' : '0'}`,
      'unknown_cursor',
      'around',
    ],
    ['an id of another session', () => `since_id=${foreignId()}`, 'unknown_cursor', 'since_id'],
    ['from_ts no time', () => 'from_ts=yesterday', 'invalid_request', 'from_ts'],
    ['from_ts after to_ts', () => 'from_ts=2027-02-01T00:00:00Z&to_ts=2027-01-01T00:00:00Z', 'invalid_request', 'from_ts'],
    [
      '21 tags',
      () =>
        range(1, 21)
          .map((n) => `tags=${n}`)
          .join('&'),
      'invalid_request',
      'tags',
    ],
    ['65 words', () => `q=${range(1, 65).join('%20')}`, 'invalid_request', 'q'],
    ['4097 bytes', () => `q=${'ü'.repeat(2_049)}`, 'invalid_request', 'q'],
    ['NUL', () => 'tool_name=a%00', 'invalid_request', 'tool_name'],
    ['NUL in q', () => 'q=a%00', 'invalid_request', 'q'],
    ['order_desc neither true nor false', () => 'order_desc=down', 'invalid_request', 'order_desc'],
  ])('%s is refused by name', async (_, query, code, field) => {
    const answer = await list(query());
    expect([answer.status, answer.body]).toMatchObject([400, { code, field }]);
  });

  it('of a session that is not there, or another organization, is 404', async () => {
    expect((await list('', {}, ids.next())).status).toBe(404);
    expect((await list('', { 'x-org': OTHER_ORG })).status).toBe(404);
  });

  it('W14: asking for events that were removed is 410', async () => {
    const pruned = await createLogSession(db);
    const written = await commitEvents(
      db,
      pruned,
      Array.from({ length: 6 }, () => ({ type: 'tool.progress' as const })),
    );
    await db.run(
      {
        name: 'prune',
        text: 'with d as (delete from events where session_id = $1 and seq < 4) update session_heads set first_seq = 4 where session_id = $1',
      },
      [pruned],
    );
    expect((await list('after_sequence=2', {}, pruned)).status).toBe(410);
    expect((await list(`since_id=${written[1]?.id}`, {}, pruned)).status).toBe(410);
    expect((await list(`since_id=${written[2]?.id}`, {}, pruned)).body.data.map((event) => event.sequence)).toEqual([4, 5, 6]);
    expect((await list('limit=10', {}, pruned)).total).toBe('3');
  });
});

describe('the summary', () => {
  const summary = async (id: Uuid, headers: Record<string, string> = {}) => {
    const response = await fetch(`${instance.baseUrl}/v1/sessions/${toPublicId('session', id)}/events/summary`, { headers });
    return [response.status, await response.json()];
  };

  it('counts events by type, turns and errors', async () => {
    expect(await summary(sessionId)).toEqual([
      200,
      {
        total: 12,
        turn_count: 2,
        error_count: 2,
        first_ts: events[0]?.ts,
        last_ts: events[11]?.ts,
        by_type: [
          { event_type: 'input.message', count: 2 },
          { event_type: 'session.idled', count: 2 },
          { event_type: 'tool.completed', count: 2 },
          { event_type: 'tool.started', count: 2 },
          { event_type: 'turn.started', count: 2 },
          { event_type: 'turn.completed', count: 1 },
          { event_type: 'turn.failed', count: 1 },
        ],
      },
    ]);
    expect(await summary(await createLogSession(db))).toEqual([200, { total: 0, turn_count: 0, error_count: 0, by_type: [] }]);
  });

  it('is 404 for another organization', async () => {
    expect((await summary(sessionId, { 'x-org': OTHER_ORG }))[0]).toBe(404);
  });
});

describe('R5: llm.generation', () => {
  it('is listed with the messages of its prompt when it is asked for, and with their range otherwise', async () => {
    const id = await createLogSession(db);
    const said = (text: string) => ({
      message: { id: toPublicId('message', ids.random()), role: 'user', content: [{ type: 'text', text }] },
    });
    const written: DurableEvent[] = [];
    const commit = async (draft: EventDraft): Promise<void> => void written.push(...(await commitEvents(db, id, [draft])));
    await commit({ type: 'input.message', context: {}, data: said('first') });
    const through = written[0]?.sequence as number;
    await commit({ type: 'llm.generation', context: {}, data: { messages: [], messages_through_sequence: through, metadata: {} } });
    await commit({ type: 'input.message', context: {}, data: said('second') });
    const texts = async (query: string): Promise<string[]> => {
      const { body } = await list(query, {}, id);
      const generation = body.data.find((event) => event.type === 'llm.generation');
      const messages = generation?.data['messages'] as { content: { text: string }[] }[];
      return messages.flatMap((message) => message.content.map((part) => part.text));
    };
    expect(await texts('types=llm.generation')).toEqual(['first']);
    expect(await texts('expand=true')).toEqual(['first']);
    expect(await texts('')).toEqual([]);
    expect(await texts('types=llm.generation&expand=false')).toEqual([]);
  });
});
