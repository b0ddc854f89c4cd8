import { toPublicId } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { agentMessage, commitEvents, createLogSession, deleteLogSession } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { idOf, OpenStream, startInstance, TEST_MESSAGE } from './testing/instance.suite.ts';
import type { TestInstance } from './testing/instance.suite.ts';

let database: TestDatabase;
let db: Database;
let a: TestInstance;
let b: TestInstance;
let sessionId: Uuid;
let open: OpenStream[] = [];

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 2 });
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

beforeEach(async () => {
  sessionId = await createLogSession(db);
  [a, b] = await Promise.all([startInstance(database.settings), startInstance(database.settings)]);
});

afterEach(async () => {
  for (const stream of open) stream.close();
  open = [];
  await Promise.all([a.close(), b.close()]);
});

function meet(): void {
  a.peers.see([b.peers]);
  b.peers.see([a.peers]);
}

async function follow(instance: TestInstance, query = 'after_sequence=0'): Promise<OpenStream> {
  const stream = await OpenStream.open(`${instance.baseUrl}/v1/sessions/${toPublicId('session', sessionId)}/sse?${query}`);
  open.push(stream);
  expect((await stream.next())?.event).toBe('connected');
  return stream;
}

const startMessage = [
  { type: 'input.message' },
  { type: 'turn.started' },
  { type: 'reason.started', data: { attempt: 1 } },
  { type: 'output.message.started', data: { message_id: toPublicId('message', TEST_MESSAGE) } },
] as const;
const STARTED = ['input.message', 'turn.started', 'reason.started', 'output.message.started'];
const completed = (text: string) => ({ type: 'output.message.completed', data: agentMessage(TEST_MESSAGE, text) }) as const;
const closing = (text: string) =>
  [{ type: 'llm.generation', data: { messages: [], output: { text } } }, { type: 'reason.completed' }, completed(text)] as const;
const CLOSING = ['llm.generation', 'reason.completed', 'output.message.completed'];
const delta = (offset: number, text: string) => ({ sessionId, startedSequence: 4, offset, text });

/** Rows of open text, as they stand in the database. */
async function writtenText(): Promise<string[]> {
  const rows = await db.run<{ text: string }>(
    {
      name: 'written_text',
      text: 'select text from open_text_0 where session_id = $1 union all select text from open_text_1 where session_id = $1',
    },
    [sessionId],
  );
  return rows.map((row) => JSON.parse(row.text) as string);
}

describe('events', () => {
  it('of one instance reach the streams of another', async () => {
    meet();
    const stream = await follow(b);
    for (const type of ['session.started', 'input.message', 'turn.started'] as const) {
      await a.commit(sessionId, { type });
      expect(await stream.take(1)).toEqual([type]);
    }
  });

  it('that an instance committed while it believed to be alone are found when it meets the other', async () => {
    const stream = await follow(b);
    b.peers.see([a.peers]); // b knows of a, a does not know of b yet
    await a.commit(sessionId, { type: 'session.started' });
    a.peers.see([b.peers]);
    expect(await stream.take(1)).toEqual(['session.started']);
  });

  it('R3: whose hint never came are found when their instance is lost', async () => {
    meet();
    const stream = await follow(b);
    await commitEvents(db, sessionId, [{ type: 'session.started' }]); // committed, and the instance died before it said so
    b.peers.see([]);
    expect(await stream.take(1)).toEqual(['session.started']);
  });

  it('R3: whose hint never came are found by the number in the beat', async () => {
    meet();
    const stream = await follow(b);
    await a.commit(sessionId, { type: 'session.started' });
    await stream.take(1);
    await commitEvents(db, sessionId, [{ type: 'turn.started' }]);
    a.peers.hintNumber += 1; // its beat says that there was one more
    expect(await stream.take(1)).toEqual(['turn.started']);
    expect(b.streams.stats().resyncs).toBeGreaterThan(0);
  });

  it('R3: are all there after the connections that listen were cut', async () => {
    meet();
    const stream = await follow(b);
    await a.commit(sessionId, { type: 'session.started' });
    await stream.take(1);
    await db.run({
      name: 'cut',
      text: "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and (query ilike '%pg_notify%' or query = 'listen everruns_hints')",
    });
    await a.commit(sessionId, { type: 'input.message' });
    await a.commit(sessionId, { type: 'turn.started' });
    expect(await stream.take(2)).toEqual(['input.message', 'turn.started']);
  });

  it('of two instances in turns arrive in the order of the log', async () => {
    meet();
    const streams = [await follow(a), await follow(b)];
    for (let n = 0; n < 60; n++) await (n % 2 === 0 ? a : b).commit(sessionId, { type: 'tool.progress', data: { n } });
    for (const stream of streams) {
      const sequences: number[] = [];
      for (let n = 0; n < 60; n++) sequences.push((JSON.parse((await stream.next())?.data ?? '') as { sequence: number }).sequence);
      expect(sequences).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
    }
  });

  it('end with the session, wherever it was removed', async () => {
    meet();
    const stream = await follow(b);
    await a.commit(sessionId, { type: 'session.started' });
    await stream.take(1);
    await deleteLogSession(db, sessionId);
    a.streams.feed.deleted(sessionId);
    expect(await stream.take(2)).toEqual(['disconnecting', 'end']);
  });
});

describe('W10: text', () => {
  it('reaches the streams of another instance while the message is being written', async () => {
    meet();
    const stream = await follow(b);
    await a.commit(sessionId, ...startMessage);
    expect(await stream.take(4)).toEqual(STARTED);
    a.delta(delta(0, 'Hello'));
    expect(await stream.take(1)).toEqual(['0+Hello']);
    a.delta(delta(5, ', world'));
    expect(await stream.take(1)).toEqual(['5+, world']);
    await a.commit(sessionId, completed('Hello, world'));
    expect(await stream.take(1)).toEqual(['output.message.completed']);
  });

  it('of pieces that come close together is written together', async () => {
    meet();
    await a.commit(sessionId, ...startMessage);
    for (const [offset, letter] of 'abcdefgh'.split('').entries()) a.delta(delta(offset, letter));
    await expect.poll(writtenText).toEqual(['abcdefgh']);
  });

  it('goes on after the offset of a delta from another instance', async () => {
    meet();
    const first = await follow(a);
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello'));
    await first.take(4);
    const cursor = idOf(await first.next());
    a.delta(delta(5, ', world'));
    const second = await follow(b, `since_id=${cursor}`);
    expect(await second.take(1)).toEqual(['5+, world']);
    await a.commit(sessionId, completed('Hello, world!'));
    expect(await second.take(2)).toEqual(['12+!', 'output.message.completed']);
  });

  it('is waited for by an instance that knows less than the client', async () => {
    const first = await follow(a);
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello, world'));
    await first.take(4);
    const cursor = idOf(await first.next());
    meet(); // only now is anything written for b
    const second = await follow(b, `since_id=${cursor}`);
    a.delta(delta(12, '!'));
    expect(await second.take(1)).toEqual(['12+!']);
  });

  it('is not written while no other instance lives, and all that is open is written when one appears', async () => {
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello'));
    const stream = await follow(b, 'after_sequence=3');
    expect(await stream.take(1)).toEqual(['output.message.started']);
    expect(await writtenText()).toEqual([]);
    meet();
    expect(await stream.take(1)).toEqual(['0+Hello']);
  });

  it('that is completed before it was written is never written', async () => {
    meet();
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello'));
    await a.commit(sessionId, completed('Hello'));
    const other = await createLogSession(db);
    await a.commit(other, ...startMessage);
    a.delta({ ...delta(0, 'later'), sessionId: other });
    await expect
      .poll(
        async () =>
          (
            await db.run(
              {
                name: 'n',
                text: 'select 1 from open_text_0 where session_id = $1 union all select 1 from open_text_1 where session_id = $1',
              },
              [other],
            )
          ).length,
      )
      .toBe(1);
    expect(await writtenText()).toEqual([]);
  });

  it('is written again after the database lost it', async () => {
    meet();
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello'));
    await expect.poll(writtenText).toEqual(['Hello']);
    await db.run({ name: 'crash', text: 'truncate open_text_0, open_text_1, open_text_marker' });
    a.delta(delta(5, ', world'));
    const stream = await follow(b, 'after_sequence=4');
    expect(await stream.take(1)).toEqual(['0+Hello, world']);
  });

  it('of an instance that died is still there for the next one, which gets the rest from the worker', async () => {
    meet();
    const first = await follow(a);
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello'));
    await first.take(4);
    const cursor = idOf(await first.next());
    await expect.poll(writtenText).toEqual(['Hello']);
    b.peers.see([]);
    const second = await follow(b, `since_id=${cursor}`);
    b.delta(delta(0, 'Hello, w'));
    expect(await second.take(1)).toEqual(['5+, w']);
  });

  it('of another attempt replaces that of the first', async () => {
    meet();
    const stream = await follow(b);
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'first'));
    expect(await stream.take(5)).toEqual([...STARTED, '0+first']);
    await b.commit(sessionId, { type: 'reason.recovered', data: { attempt: 2 } }, startMessage[3]);
    b.delta({ ...delta(0, 'second'), attempt: 2, startedSequence: 6 });
    a.delta(delta(5, ' goes on')); // its worker does not know yet that it lost the lease
    expect(await stream.take(3)).toEqual(['reason.recovered', 'output.message.started', '0+second']);
    await b.commit(sessionId, completed('second'));
    expect(await stream.take(1)).toEqual(['output.message.completed']);
  });

  it.each([1, 2, 3])('is not told again to who comes back from closing event %d of its step', async (seen) => {
    meet();
    const first = await follow(a);
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello'));
    expect(await first.take(5)).toEqual([...STARTED, '0+Hello']);
    await a.commit(sessionId, ...closing('Hello, world'));
    expect(await first.take(1)).toEqual(['5+, world']);
    const events = [await first.next(), await first.next(), await first.next()];
    expect(events.map((frame) => frame?.event)).toEqual(CLOSING);
    const second = await follow(b, `since_id=${idOf(events[seen - 1] ?? null)}`);
    await b.commit(sessionId, { type: 'turn.completed' });
    expect(await second.take(4 - seen)).toEqual([...CLOSING.slice(seen), 'turn.completed']);
  });

  it('is kept for a cancel', async () => {
    await a.commit(sessionId, ...startMessage);
    a.delta(delta(0, 'Hello'));
    expect(a.streams.feed.openText(sessionId, TEST_MESSAGE)).toBe('Hello');
    expect(a.streams.feed.openText(sessionId, sessionId)).toBeNull();
    await a.commit(sessionId, completed('Hello'));
    expect(a.streams.feed.openText(sessionId, TEST_MESSAGE)).toBeNull();
  });
});

describe('text that nobody watches here', () => {
  it('is fetched for a cancel from the instance that relays it', async () => {
    meet();
    await b.commit(sessionId, ...startMessage);
    b.delta(delta(0, 'Hello'));
    await expect
      .poll(async () => {
        await a.streams.feed.fetchText(sessionId);
        return a.streams.feed.openText(sessionId, TEST_MESSAGE);
      })
      .toBe('Hello');
  });
});

describe('hints of tasks', () => {
  it('reach the others, and nothing is sent while no other instance lives', async () => {
    const heard: string[] = [];
    b.streams.readyHints.onReady((pools: readonly Pool[]) => void heard.push(pools.join()));
    b.streams.readyHints.onCancelled((tokens) => void heard.push(...tokens));
    b.streams.readyHints.onOpened((keys) => void heard.push(...keys));
    a.streams.readyHints.announce(['tool']);
    meet();
    await expect.poll(() => heard.includes('reason,tool')).toBe(true); // a first meeting: look once
    a.streams.readyHints.announce(['tool']);
    a.streams.readyHints.announceCancelled([sessionId]);
    a.streams.readyHints.announceOpened(['llm:a']);
    await expect.poll(() => heard.filter((what) => what !== 'reason,tool')).toEqual(['tool', sessionId, 'llm:a']);
    expect(a.peers.hintNumber).toBe(2);
  });
});
