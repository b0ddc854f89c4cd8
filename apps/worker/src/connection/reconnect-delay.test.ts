import { expect, it } from 'vitest';
import { reconnectDelayMs } from './reconnect-delay.ts';

it('tries at once after a working connection, then doubles from 50 ms to 2 s', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 60].map((failures) => reconnectDelayMs(failures, () => 0.5))).toEqual([
    0, 50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000,
  ]);
});

it('spreads its waits, so that workers do not all come back together', () => {
  expect([0, 1].map((random) => reconnectDelayMs(3, () => random))).toEqual([160, 240]);
});
