import type { Uuid } from '@everruns/contract';
import { afterEach, describe, expect, it } from 'vitest';
import { Hub } from './hub.ts';
import type { HubDeps } from './hub.ts';
import type { HubSession, Watcher } from './hub-session.ts';
import { LiveOutputs } from './live-outputs.ts';
import { LiveTexts } from './live-texts.ts';
import type { LogReader } from './log-port.ts';
import { event, ORG, SESSION } from './testing/events.ts';
import { MemoryLog } from './testing/memory-log.ts';
import { VirtualTime } from './testing/virtual-time.ts';

let time = new VirtualTime();
let log = new MemoryLog(() => time.date());
let reads = 0;
let failing = 0;
const errors: unknown[] = [];

afterEach(() => {
  time = new VirtualTime();
  log = new MemoryLog(() => time.date());
  reads = 0;
  failing = 0;
  errors.length = 0;
});

function createHub(more: Partial<HubDeps> = {}): Hub {
  const reader: LogReader = log.reader(() => time.sleep(1));
  return new Hub({
    log: {
      ...reader,
      catchUp: async (...asked) => {
        reads += 1;
        if (failing-- > 0) throw new Error('the database is away');
        return reader.catchUp(...asked);
      },
    },
    texts: new LiveTexts(() => time.nowMs()),
    outputs: new LiveOutputs(() => time.nowMs()),
    ringEvents: 10,
    ringBytes: 100_000,
    defer: (work) => void time.after(0, work),
    after: (delayMs, callback) => time.after(delayMs, callback),
    arriving: () => null,
    onMark: () => undefined,
    onError: (error) => errors.push(error),
    ...more,
  });
}

/** Takes whatever the hub has for it. */
class Reader implements Watcher {
  readonly seen: number[] = [];
  readonly hub: Hub;
  readonly session: HubSession;
  served: number;
  isGone = false;
  behind = false;

  constructor(hub: Hub, served: number, sessionId: Uuid = SESSION) {
    this.hub = hub;
    this.served = served;
    this.session = hub.watch(sessionId, ORG, this);
  }

  wake(): void {
    for (let next = this.hub.pull(this.session, this.served); ; next = this.hub.pull(this.session, this.served)) {
      this.behind = next === 'behind';
      if (typeof next === 'string') return;
      this.served = next.sequence;
      this.seen.push(next.sequence);
    }
  }

  gone(): void {
    this.isGone = true;
  }
}

function write(count: number): ReturnType<MemoryLog['commit']> {
  if (log.events(SESSION).length === 0) log.create(SESSION);
  return log.commit(
    SESSION,
    Array.from({ length: count }, () => ({ type: 'tool.progress' as const, data: {} })),
  );
}

describe('R1: commits of this process', () => {
  it('reach followers from memory, without a read', async () => {
    const hub = createHub();
    const reader = new Reader(hub, 0);
    hub.begin(reader.session, 0);
    hub.committed(SESSION, write(2));
    hub.committed(SESSION, write(1));
    await time.run(50);
    expect([reader.seen, reads]).toEqual([[1, 2, 3], 0]);
  });

  it('that are told out of order are put in order, without a read when they come together', async () => {
    const hub = createHub();
    const reader = new Reader(hub, 0);
    hub.begin(reader.session, 0);
    const [first, second] = [write(1), write(2)];
    hub.committed(SESSION, second);
    hub.committed(SESSION, first);
    await time.run(50);
    expect([reader.seen, reads]).toEqual([[1, 2, 3], 0]);
  });

  it('that leave a hole are completed by one read', async () => {
    const hub = createHub();
    const reader = new Reader(hub, 0);
    hub.begin(reader.session, 0);
    write(2);
    hub.committed(SESSION, write(1));
    await time.run(50);
    expect([reader.seen, reads]).toEqual([[1, 2, 3], 1]);
  });

  it('that are told while a stream still looks where it begins are not missed', async () => {
    const hub = createHub();
    write(3);
    const reader = new Reader(hub, 3);
    hub.committed(SESSION, write(1));
    hub.begin(reader.session, 3);
    await time.run(50);
    expect([reader.seen, reads]).toEqual([[4], 0]);
  });

  it('that come twice are served once', async () => {
    const hub = createHub();
    const reader = new Reader(hub, 0);
    hub.begin(reader.session, 0);
    const events = write(2);
    hub.committed(SESSION, events);
    hub.committed(SESSION, events);
    await time.run(50);
    expect(reader.seen).toEqual([1, 2]);
  });

  it('of many at once are never lost, however few are kept', async () => {
    const hub = createHub({ ringEvents: 2 });
    const [fast, slow] = [new Reader(hub, 0), new Reader(hub, 0)];
    hub.begin(fast.session, 0);
    slow.wake = () => undefined;
    hub.committed(SESSION, write(1));
    await time.run(10);
    hub.committed(SESSION, write(5));
    expect(hub.pull(slow.session, 0)).toBe('behind');
    expect(hub.pull(slow.session, 4)).toMatchObject({ sequence: 5 });
    await time.run(50);
    expect(fast.seen).toEqual([1]);
    expect(fast.behind).toBe(true);
  });
});

describe('R3: hints', () => {
  it('make it read, many sessions with one read', async () => {
    const hub = createHub();
    const sessions = Array.from({ length: 20 }, (_, n) => `019a0000-0000-7000-8000-${String(n).padStart(12, '0')}`);
    const readers = sessions.map((id) => {
      log.create(id);
      const reader = new Reader(hub, 0, id);
      hub.begin(reader.session, 0);
      log.commit(id, [{ type: 'session.started', data: {} }]);
      return reader;
    });
    hub.hinted(sessions);
    await time.run(50);
    expect(readers.map((reader) => reader.seen)).toEqual(sessions.map(() => [1]));
    expect(reads).toBeLessThanOrEqual(2);
  });

  it('of sessions that nobody watches here cost nothing', async () => {
    const hub = createHub();
    hub.hinted([SESSION]);
    hub.committed(SESSION, [event(1, 'session.started')]);
    await time.run(50);
    expect([reads, hub.size]).toEqual([0, 0]);
  });

  it('that come while a stream still looks where it begins are not missed', async () => {
    const hub = createHub();
    write(3);
    const reader = new Reader(hub, 3); // the log was looked at, the answer is on its way
    write(1);
    hub.hinted([SESSION]);
    hub.begin(reader.session, 3);
    await time.run(50);
    expect(reader.seen).toEqual([4]);
  });

  it('that come during a read lead to another one', async () => {
    const hub = createHub();
    write(1);
    const reader = new Reader(hub, 1);
    hub.begin(reader.session, 1);
    write(1);
    hub.hinted([SESSION]);
    await time.run(1.5); // the snapshot has been taken
    write(1);
    hub.hinted([SESSION]);
    await time.run(50);
    expect(reader.seen).toEqual([2, 3]);
  });

  it('are followed up after a failed read', async () => {
    const hub = createHub();
    write(1);
    const reader = new Reader(hub, 1);
    hub.begin(reader.session, 1);
    failing = 3;
    write(1);
    hub.hinted([SESSION]);
    await time.run(2_000);
    expect([reader.seen, errors.length]).toEqual([[2], 3]);
  });
});

it('R3: finds by comparing what no hint told', async () => {
  const hub = createHub();
  write(2);
  const reader = new Reader(hub, 2);
  hub.begin(reader.session, 2);
  write(3);
  void hub.resync();
  await time.run(50);
  expect(reader.seen).toEqual([3, 4, 5]);
});

it.each([
  ['a read', (hub: Hub) => hub.hinted([SESSION])],
  ['a comparison', (hub: Hub) => void hub.resync()],
  ['its own instance', (hub: Hub) => hub.deleted(SESSION)],
])('tells followers that the session is gone, by %s', async (_, notice) => {
  const hub = createHub();
  write(1);
  const reader = new Reader(hub, 1);
  hub.begin(reader.session, 1);
  log.remove(SESSION);
  notice(hub);
  await time.run(50);
  expect([reader.isGone, hub.size]).toEqual([true, 0]);
});

it('keeps nothing of a session that nobody watches any more, and little of one where nothing happens', async () => {
  const hub = createHub();
  const reader = new Reader(hub, 0);
  hub.begin(reader.session, 0);
  hub.committed(SESSION, write(5));
  await time.run(50);
  hub.sweep();
  expect(hub.ringBytes).toBeGreaterThan(0);
  hub.sweep();
  expect(hub.ringBytes).toBe(0);
  hub.committed(SESSION, write(1));
  await time.run(100);
  expect(reader.seen).toEqual([1, 2, 3, 4, 5, 6]);
  hub.unwatch(reader.session, reader);
  expect([hub.size, hub.ringBytes]).toEqual([0, 0]);
});
