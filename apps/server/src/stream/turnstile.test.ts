import { expect, it } from 'vitest';
import { Turnstile } from './turnstile.ts';

it('lets so many in at a time, the others in order, and goes on after a failure', async () => {
  const turnstile = new Turnstile(2);
  const entered: number[] = [];
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const passes = gates.map(({ promise }, n) =>
    turnstile.pass(async () => {
      entered.push(n);
      await promise;
    }),
  );
  await Promise.resolve();
  expect([entered, turnstile.waiting]).toEqual([[0, 1], 2]);
  gates[1]?.reject(new Error('read failed'));
  await expect(passes[1]).rejects.toThrow('read failed');
  await Promise.resolve();
  expect(entered).toEqual([0, 1, 2]);
  for (const { resolve } of gates) resolve();
  await Promise.allSettled(passes);
  expect([entered, turnstile.waiting]).toEqual([[0, 1, 2, 3], 0]);
});
