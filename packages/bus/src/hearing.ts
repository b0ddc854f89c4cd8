import type { Uuid } from '@everruns/contract';

/**
 * Remembers the last hint number of every other instance and notices what was missed: a gap, first contact (the other one says nothing while
 * it believes to be alone), or a beat that is ahead of what was heard.
 */
export class Hearing {
  readonly #heard = new Map<Uuid, number>();
  #ahead = new Map<Uuid, number>();
  #known: ReadonlySet<Uuid> = new Set();

  /** True when hints before this one may have been missed. A late or repeated number says nothing new. */
  hear(instanceId: Uuid, n: number): boolean {
    const last = this.#heard.get(instanceId);
    if (last !== undefined && n <= last) return false;
    this.#heard.set(instanceId, n);
    return last === undefined || n > last + 1;
  }

  /**
   * Compares with the numbers in the peers' beats; true when one was sent and not heard. A number counts as missed at the second look only:
   * at the first its hint may still be on the way.
   */
  compare(numbers: ReadonlyMap<Uuid, number>): boolean {
    let missed = false;
    const ahead = new Map<Uuid, number>();
    for (const [instanceId, n] of numbers) {
      const last = this.#heard.get(instanceId) ?? 0;
      if (n <= last) continue;
      const before = this.#ahead.get(instanceId);
      if (before === undefined || before <= last) {
        ahead.set(instanceId, n);
        continue;
      }
      this.#heard.set(instanceId, n);
      missed = true;
    }
    this.#ahead = ahead;
    for (const instanceId of this.#known) if (!numbers.has(instanceId)) this.#heard.delete(instanceId);
    this.#known = new Set(numbers.keys());
    return missed;
  }
}
