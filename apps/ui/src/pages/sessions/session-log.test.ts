import type { SessionEvent } from '@everruns/client';
import { expect, it } from 'vitest';
import { SessionLog } from './session-log.ts';
import type { LogSource } from './session-log.ts';

const event = (sequence: number): SessionEvent =>
  ({
    id: `event_${sequence}`,
    type: 'turn.started',
    ts: '2030-01-01T00:00:00Z',
    session_id: 's',
    context: { turn_id: `turn_${sequence}` },
    data: { turn_id: `turn_${sequence}`, input_message_id: 'm' },
    sequence,
  }) as SessionEvent;

const range = (from: number, to: number): SessionEvent[] => Array.from({ length: to - from + 1 }, (_, index) => event(from + index));

/** A session of so many events, with further ones that come while somebody looks. */
function source(count: number, live: SessionEvent[] = []): LogSource {
  return {
    page: (before, limit) => Promise.resolve(range(Math.max(1, (before ?? count + 1) - limit), (before ?? count + 1) - 1)),
    async *follow(after) {
      for (const each of live) if ((each.sequence ?? Infinity) > after || after > 0) yield await Promise.resolve(each);
    },
  };
}

function frames() {
  const waiting: (() => void)[] = [];
  return { frame: (work: () => void) => void waiting.push(work), run: () => waiting.splice(0).map((work) => work()).length };
}

it('loads the newest events first and older ones when they are asked for', async () => {
  const log = new SessionLog(source(500), (work) => work());
  await log.run(new AbortController().signal);
  expect(log.snapshot().events[0]?.sequence).toBe(301);
  expect(log.snapshot().hasOlder).toBe(true);
  await log.loadOlder(250);
  await log.loadOlder(250);
  expect(log.snapshot().events.map(({ sequence }) => sequence)).toEqual(range(1, 500).map(({ sequence }) => sequence));
  expect(log.snapshot().hasOlder).toBe(false);
  expect(log.snapshot().conversation.blocks.length).toBe(500);
});

it('tells of all that came since the last frame at once', async () => {
  const { frame, run } = frames();
  const log = new SessionLog(source(2, range(3, 100)), frame);
  let told = 0;
  await log.run(new AbortController().signal);
  log.subscribe(() => told++);
  expect(run()).toBe(1);
  expect(told).toBe(1);
  expect(log.snapshot().events.length).toBe(100);
});

it('keeps an event once when a stream tells it again', async () => {
  const log = new SessionLog(source(2, [event(2), event(3), event(3)]), (work) => work());
  await log.run(new AbortController().signal);
  expect(log.snapshot().events.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
});

it('says what went wrong, and stays with what it has', async () => {
  const failing: LogSource = { ...source(2), page: () => Promise.reject(new Error('No.')) };
  const log = new SessionLog(failing, (work) => work());
  await log.run(new AbortController().signal);
  expect(log.snapshot()).toMatchObject({ isLoaded: false, error: new Error('No.') });
});
