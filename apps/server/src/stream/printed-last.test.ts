import { createLocalExchange } from '@everruns/bus';
import type { Uuid } from '@everruns/contract';
import { toPublicId } from '@everruns/contract';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TextTable } from './log-port.ts';
import { Pipeline } from './pipeline.ts';
import { DEFAULT_STREAM_CONFIG } from './port.ts';
import type { OutputDelta, Peers } from './port.ts';
import { parseStreamRequest } from './stream-request.ts';
import { glance, ORG, SESSION, TURN } from './testing/events.ts';
import type { Draft } from './testing/memory-log.ts';
import { MemoryLog, MemoryTextTable } from './testing/memory-log.ts';
import { VirtualTime } from './testing/virtual-time.ts';

/**
 * What a call prints last, at another instance than its worker's: two instances, one log and one table of texts, in virtual time, and each read and
 * write takes as long as the test says.
 */

let time: VirtualTime;
let log: MemoryLog;
let here: Pipeline;
let there: Pipeline;
let frames: Buffer[];
/** Milliseconds that a read of new texts, a read of all of a session, a write and a read of the log take. */
let takes: { read: number; whole: number; write: number; log: number };
const exchange = createLocalExchange();

const instance = (id: Uuid, other: Uuid, texts: TextTable): Pipeline => {
  const peers: Peers = {
    instanceId: id,
    alone: () => false,
    onResync: () => () => undefined,
    setHintNumber: () => undefined,
    hintNumbers: () => new Map([[other, 0]]),
    heard: () => undefined,
  };
  return new Pipeline({
    log: log.reader(() => time.sleep(takes.log / 2)),
    texts,
    transport: exchange.transport(),
    peers,
    config: DEFAULT_STREAM_CONFIG,
    clock: time,
    defer: (work) => void time.after(0, work),
    random: () => 0.5,
    onError: (error) => expect.unreachable(String(error)),
  });
};

const commit = (...drafts: Draft[]): void =>
  here.sync.feed.committed(
    SESSION,
    log.commit(
      SESSION,
      drafts.map((draft) => ({ ...draft, context: { turn_id: toPublicId('turn', TURN) } })),
    ),
  );
const printed = (offset: number, text: string): OutputDelta => ({
  sessionId: SESSION,
  turnId: TURN,
  callId: 'call_1',
  toolName: 'print',
  channel: 'stdout',
  attempt: 1,
  offset,
  text,
  startedSequence: 2,
});
/** What the worker's instance does when a call is over. */
const over = async (): Promise<void> => {
  await here.sync.feed.outputWritten(SESSION);
  commit({ type: 'tool.completed', data: { tool_call_id: 'call_1' } });
};
const shown = (): string[] => glance(frames).filter((line) => line !== 'connected' && line !== 'tool.started');

beforeEach(async () => {
  time = new VirtualTime();
  log = new MemoryLog(() => time.date());
  takes = { read: 2, whole: 2, write: 2, log: 2 };
  frames = [];
  const table = new MemoryTextTable(log);
  const [reads, whole, writes] = (['read', 'whole', 'write'] as const).map((what) => table.table(() => time.sleep(takes[what] / 2))) as [
    TextTable,
    TextTable,
    TextTable,
  ];
  const texts: TextTable = {
    ...reads,
    readSessions: (ids, extent) => whole.readSessions(ids, extent),
    write: (id, rows) => writes.write(id, rows),
  };
  const ids = [toUuid(1), toUuid(2)] as const;
  here = instance(ids[0], ids[1], texts);
  there = instance(ids[1], ids[0], texts);
  log.create(SESSION);
  commit({ type: 'turn.started', data: {} });
});
const start = (): void => commit({ type: 'tool.started', data: { tool_call: { id: 'call_1' } } });
const pass = (ms: number): Promise<void> => time.run(time.nowMs() + ms);
/** Somebody watches the session at the other instance. */
async function watch(): Promise<void> {
  const opening = there.prepare(ORG, parseStreamRequest(SESSION, { after_sequence: '1' }, undefined));
  await pass(10);
  const sink = {
    bufferedBytes: 0,
    needsDrain: false,
    write: (chunk: Buffer) => void frames.push(chunk),
    batch: (work: () => void) => work(),
    end: () => undefined,
    destroy: () => undefined,
  };
  (await opening).open(sink);
  await pass(10);
}
/** Somebody watched when the call began. */
async function watched(): Promise<void> {
  await watch();
  start();
  await pass(20);
}
afterEach(async () => {
  const closing = Promise.all([here.close(), there.close()]);
  await time.run(time.nowMs() + 10_000);
  await closing;
});

const toUuid = (n: number): Uuid => `019a0000-0000-7000-8000-00000000000${n}`;

it('is shown before the end of its call, however long reading it takes compared with reading the log', async () => {
  await watched();
  takes.read = 40;
  here.sync.feed.output(printed(0, 'one '));
  await pass(100);
  here.sync.feed.output(printed(4, 'two'));
  const ended = over();
  await pass(200);
  await ended;
  expect(shown()).toEqual(['~0+one ', '~4+two', 'tool.completed']);
});

it('is shown before the end of its call when writing it takes longer than a commit', async () => {
  await watched();
  takes.write = 200;
  here.sync.feed.output(printed(0, 'all of it'));
  const ended = over();
  await pass(800);
  await ended;
  expect(shown()).toEqual(['~0+all of it', 'tool.completed']);
});

it('is shown to whoever comes in the middle of the call', async () => {
  start();
  here.sync.feed.output(printed(0, 'one '));
  await pass(20);
  await watch();
  takes.read = 40;
  here.sync.feed.output(printed(4, 'two'));
  const ended = over();
  await pass(200);
  await ended;
  expect(shown()).toEqual(['~0+one ', '~4+two', 'tool.completed']);
});

it('is shown also when reading all of it took so long that more was printed meanwhile', async () => {
  start();
  here.sync.feed.output(printed(0, 'one '));
  await pass(20);
  takes.whole = 100;
  await watch();
  here.sync.feed.output(printed(4, 'two '));
  await pass(70); // a hole, and a read that does not know of what follows
  here.sync.feed.output(printed(8, 'three'));
  await pass(150);
  const ended = over();
  await pass(300);
  await ended;
  expect(shown()).toEqual(['~0+one two ', '~8+three', 'tool.completed']);
});

it('holds the end of its call up for a quarter of a second at most, where it is written and where it is read', async () => {
  await watched();
  takes.read = 5_000;
  here.sync.feed.output(printed(0, 'never seen'));
  const ended = over();
  await pass(280);
  await ended;
  expect(shown()).toEqual(['tool.completed']);
  await pass(10_000);
  expect(shown()).toEqual(['tool.completed']);
});

it('holds up no event but the end of a call', async () => {
  await watched();
  takes.read = 100;
  here.sync.feed.output(printed(0, 'one'));
  await pass(10);
  commit({ type: 'output.message.started', data: {} });
  await pass(20);
  expect(shown()).toEqual(['output.message.started']);
  await pass(200);
  expect(shown()).toEqual(['output.message.started', '~0+one']);
});
