import type { Clock } from '@everruns/agent/clock';

/** Time that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Moves on in steps from timer to timer, and lets everything that each of them set off settle first. */
  advance(ms: number): Promise<void>;
  /** Lets what is under way settle, without moving. */
  settle(): Promise<void>;
  /** Timers that are set. */
  readonly timers: number;
}

interface Timer {
  dueMs: number;
  callback: () => void;
}

export function createManualClock(startDate = new Date('2026-01-02T03:04:05.000Z')): ManualClock {
  let nowMs = 0;
  const timers = new Set<Timer>();
  const nextDue = (untilMs: number) => [...timers].filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    nowMs: () => nowMs,
    date: () => new Date(startDate.getTime() + nowMs),
    after(delayMs, callback) {
      const timer = { dueMs: nowMs + Math.max(0, delayMs), callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        timers.delete(timer);
        nowMs = timer.dueMs;
        timer.callback();
        await settle();
      }
      nowMs = untilMs;
      await settle();
    },
    settle,
    get timers() {
      return timers.size;
    },
  };
}
