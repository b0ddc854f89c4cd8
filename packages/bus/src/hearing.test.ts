import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Hearing } from './hearing.ts';

it('R3: tells of everything that was lost, whatever the order of what arrives', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 30 }), fc.array(fc.nat(), { minLength: 30, maxLength: 30 }), (count, keys) => {
      const hearing = new Hearing();
      const sent = Array.from({ length: count }, (_, index) => index + 1);
      const arriving = sent.filter((n) => (keys[n - 1] as number) % 3 !== 0).sort((x, y) => (keys[x] ?? 0) - (keys[y] ?? 0));
      let lastMissed = -1;
      const heardBefore = new Map<number, number>();
      for (const [at, n] of arriving.entries()) {
        heardBefore.set(n, at);
        if (hearing.hear('a', n)) lastMissed = at;
      }
      for (let look = 0; look < 2; look++) if (hearing.compare(new Map([['a', count]]))) lastMissed = arriving.length;
      // Whatever never arrived was followed by a resync: at its gap, at first contact, or at the beat.
      const highest = Math.max(0, ...arriving);
      for (const n of sent) if (!heardBefore.has(n)) expect(lastMissed).toBeGreaterThanOrEqual(n > highest ? arriving.length : 0);
    }),
  );
});

it('says nothing of a repeated or late number', () => {
  const hearing = new Hearing();
  expect([1, 2, 4, 3, 4, 5].map((n) => hearing.hear('a', n))).toEqual([true, false, true, false, false, false]);
});

it('counts an instance that is heard again after it was lost as a first contact', () => {
  const hearing = new Hearing();
  hearing.hear('a', 1);
  hearing.compare(new Map([['a', 1]]));
  hearing.compare(new Map());
  expect(hearing.hear('a', 2)).toBe(true);
});
