import { expect, test } from 'vitest';
import { FIRST_START, nextRestart, type RestartState } from './restart-policy.ts';

function delays(uptimesMs: number[]): number[] {
  let state: RestartState = FIRST_START;
  return uptimesMs.map((uptimeMs) => {
    const next = nextRestart(state, uptimeMs);
    state = next.state;
    return next.delayMs;
  });
}

test('a process that ends at once is started again ever later, at most every 10 s', () => {
  expect(delays(Array(9).fill(50) as number[])).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
});

test('after 30 s of life the delays begin anew', () => {
  expect(delays([50, 50, 30_000, 50])).toEqual([100, 200, 100, 200]);
});
