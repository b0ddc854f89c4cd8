import { expect, test } from 'vitest';
import { createTokenUses } from './token-uses.ts';

function setUp(write: (id: unknown) => Promise<void> = async () => undefined) {
  const written: unknown[] = [];
  const errors: unknown[] = [];
  const clock = { nowMs: 0 };
  const db = {
    async run<R>(_statement: unknown, values: readonly unknown[] = []): Promise<R[]> {
      written.push(values[0]);
      await write(values[0]);
      return [];
    },
  };
  return { written, errors, clock, uses: createTokenUses({ db, nowMs: () => clock.nowMs, onError: (error) => errors.push(error) }) };
}

test('the use of a token is noted once a minute, each for itself', async () => {
  const { written, clock, uses } = setUp();
  for (let n = 0; n < 100; n++) uses.used('a');
  uses.used('b');
  clock.nowMs = 59_999;
  uses.used('a');
  expect(written).toEqual(['a', 'b']);
  clock.nowMs = 60_000;
  uses.used('a');
  await uses.settled();
  expect(written).toEqual(['a', 'b', 'a']);
});

test('nobody waits for it, and a failure is told to who listens alone', async () => {
  const hanging = Promise.withResolvers<void>();
  const { errors, uses } = setUp((id) => (id === 'slow' ? hanging.promise : Promise.reject(new Error('away'))));
  uses.used('slow');
  uses.used('lost');
  let isSettled = false;
  const settled = uses.settled().then(() => (isSettled = true));
  await Promise.resolve();
  expect(isSettled).toBe(false);
  hanging.resolve();
  await settled;
  expect(errors).toEqual([new Error('away')]);
});

test('what has been noted takes no more memory than for ten thousand tokens', async () => {
  const { written, uses } = setUp();
  for (let n = 0; n < 10_001; n++) uses.used(`token ${n}`);
  uses.used('token 0');
  await uses.settled();
  expect(written).toHaveLength(10_002);
});
