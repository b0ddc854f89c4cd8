import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBus } from './bus.ts';
import type { Bus, HintTransport } from './bus.ts';
import type { Hint } from './hint.ts';

export interface BusWorld {
  /** A transport of one more instance, ready to hear. */
  join(): Promise<HintTransport>;
  close(): Promise<void>;
}

interface Member {
  bus: Bus;
  hints: Hint[];
  missed: number;
  numbers: number[];
  /** Hints for which this says true never arrive. */
  lose: (hint: Hint) => boolean;
}

const instance = (n: number) => `00000000-0000-7000-8000-00000000000${n}`;
const session = (n: number) => `11111111-1111-7111-8111-${String(n).padStart(12, '0')}`;

/** What every adapter of the bus does. */
export function busSuite(name: string, openWorld: () => Promise<BusWorld>): void {
  describe(`bus over ${name}`, () => {
    let world: BusWorld;
    let members: Member[];

    beforeEach(async () => {
      world = await openWorld();
      members = [];
      for (let n = 1; n <= 3; n++) members.push(await join(n));
    });

    afterEach(async () => {
      await Promise.all(members.map(({ bus }) => bus.close()));
      await world.close();
    });

    async function join(n: number): Promise<Member> {
      const transport = await world.join();
      const member: Member = { bus: undefined as never, hints: [], missed: 0, numbers: [], lose: () => false };
      const lossy: HintTransport = {
        ...transport,
        onHint: (listener) => transport.onHint((hint) => void (member.lose(hint) || listener(hint))),
      };
      member.bus = createBus({ instanceId: () => instance(n), transport: lossy, onNumber: (number) => member.numbers.push(number) });
      member.bus.onHint((hint) => member.hints.push(hint));
      member.bus.onMissed(() => void member.missed++);
      return member;
    }

    const [a, b, c] = [() => members[0] as Member, () => members[1] as Member, () => members[2] as Member];
    const heard = (member: Member, n: number) => expect.poll(() => member.hints.at(-1)?.n).toBe(n);

    it('brings a note to all others and not to its sender', async () => {
      a().bus.publish({
        sessions: [session(1)],
        pools: ['tool'],
        cancelled: [session(3)],
        opened: ['llm:a'],
        text: { through: 7, sessions: [session(2)] },
      });
      const hint = {
        instanceId: instance(1),
        n: 1,
        sessions: [session(1)],
        pools: ['tool'],
        cancelled: [session(3)],
        opened: ['llm:a'],
        text: { through: 7, sessions: [session(2)], partial: false },
      };
      await heard(b(), 1);
      await heard(c(), 1);
      expect([b().hints, c().hints, a().hints]).toEqual([[hint], [hint], []]);
    });

    it('numbers the hints of each instance without gaps, in order', async () => {
      for (let n = 1; n <= 20; n++) {
        a().bus.publish({ sessions: [session(n)] });
        c().bus.publish({ pools: ['reason'] });
        await new Promise((resolve) => setImmediate(resolve));
      }
      const last = session(20);
      await expect.poll(() => b().hints.some((hint) => hint.sessions.includes(last))).toBe(true);
      const numbers = b()
        .hints.filter((hint) => hint.instanceId === instance(1))
        .map((hint) => hint.n);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      await expect.poll(() => a().numbers.at(-1)).toBe(numbers.at(-1));
    });

    it('merges what is published while a hint is on its way', async () => {
      for (let n = 0; n < 1000; n++) a().bus.publish({ sessions: [session(n % 5)] });
      await heard(b(), 1);
      a().bus.publish({ sessions: [session(9)] });
      await heard(b(), 2);
      expect(b().hints.map((hint) => hint.sessions.length)).toEqual([5, 1]);
    });

    it('splits a note that is too large for one hint, and says that more of the text follows', async () => {
      const ids = Array.from({ length: 700 }, (_, n) => session(n));
      a().bus.publish({ sessions: ids, pools: ['reason'], cancelled: ids, text: { through: 3, sessions: ids } });
      await heard(b(), 10);
      expect(new Set(b().hints.flatMap((hint) => hint.sessions)).size).toBe(700);
      expect(new Set(b().hints.flatMap((hint) => hint.cancelled)).size).toBe(700);
      const text = b().hints.flatMap((hint) => hint.text ?? []);
      expect(new Set(text.flatMap((part) => part.sessions)).size).toBe(700);
      expect(text.map((part) => part.partial)).toEqual([true, true, false]);
      expect(b().hints.map((hint) => hint.pools.length)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    });

    it('tells once that hints may have been missed: at first contact and after a gap', async () => {
      const openings = b().missed;
      a().bus.publish({});
      await heard(b(), 1);
      expect(b().missed).toBe(openings + 1);
      b().lose = (hint) => hint.n === 2;
      a().bus.publish({ sessions: [session(1)] });
      await expect.poll(() => c().hints.at(-1)?.n).toBe(2);
      expect(b().missed).toBe(openings + 1);
      for (const n of [3, 4]) {
        a().bus.publish({ sessions: [session(1)] });
        await heard(b(), n);
      }
      expect(b().missed).toBe(openings + 2);
    });

    it('notices by the beat that the last hint was lost, at the second look and once', async () => {
      a().bus.publish({});
      await heard(b(), 1);
      const before = b().missed;
      b().lose = () => true;
      a().bus.publish({ sessions: [session(1)] });
      await heard(c(), 2);
      const beats = new Map([[instance(1), 2]]);
      b().bus.compare(beats);
      expect(b().missed).toBe(before);
      for (let look = 0; look < 3; look++) b().bus.compare(beats);
      expect(b().missed).toBe(before + 1);
    });

    it('takes no offence at a beat that is behind what was heard', async () => {
      a().bus.publish({});
      await heard(b(), 1);
      const before = b().missed;
      for (let look = 0; look < 3; look++) b().bus.compare(new Map([[instance(1), 0]]));
      expect(b().missed).toBe(before);
    });

    it('sends nothing after it was closed', async () => {
      a().bus.publish({});
      await heard(b(), 1);
      await a().bus.close();
      a().bus.publish({ sessions: [session(1)] });
      c().bus.publish({ sessions: [session(2)] });
      await expect.poll(() => b().hints.at(-1)?.sessions).toEqual([session(2)]);
      expect(b().hints.filter((hint) => hint.instanceId === instance(1)).length).toBe(1);
    });
  });
}
