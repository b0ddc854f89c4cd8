import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Chance, VirtualTime } from './testing/virtual-time.ts';
import { Wheel } from './wheel.ts';

const STEP_MS = 50;

function createWheel(): { time: VirtualTime; wheel: Wheel; timers: () => number } {
  const time = new VirtualTime();
  let timers = 0;
  const wheel = new Wheel({
    stepMs: STEP_MS,
    nowMs: () => time.nowMs(),
    after: (delayMs, callback) => {
      timers += 1;
      return time.after(delayMs, callback);
    },
  });
  return { time, wheel, timers: () => timers };
}

it('calls every entry back once, never early and at most two steps late', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const chance = new Chance(seed);
      const { time, wheel } = createWheel();
      const late: number[] = [];
      for (let n = 0; n < 100; n++) {
        time.after(chance.int(0, 2_000), () => {
          const dueMs = time.nowMs() + chance.int(0, 5_000);
          wheel.set({ due: () => late.push(time.nowMs() - dueMs) }, dueMs - time.nowMs());
        });
      }
      await time.run(10_000);
      expect(late.length).toBe(100);
      expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...late)).toBeLessThanOrEqual(2 * STEP_MS);
    }),
    { numRuns: 20 },
  );
});

it('replaces what an entry was waiting for, and forgets what is cleared', async () => {
  const { time, wheel } = createWheel();
  const called: number[] = [];
  const entry = { due: () => called.push(time.nowMs()) };
  wheel.set(entry, 100);
  wheel.set(entry, 1_000);
  const cleared = { due: () => called.push(-1) };
  wheel.set(cleared, 300);
  wheel.clear(cleared);
  await time.run(3_000);
  expect(called).toEqual([1_000]);
});

it('has one timer for all, and none when nothing waits', async () => {
  const { time, wheel, timers } = createWheel();
  for (let n = 0; n < 10_000; n++) wheel.set({ due: () => undefined }, 100 + (n % 400));
  await time.run(600);
  const used = timers();
  expect(used).toBeLessThanOrEqual(12);
  await time.run(60_000);
  expect(timers()).toBe(used);
});
