import type { Pool, Uuid } from '@everruns/contract';
import { reading } from '../store/statement.ts';
import type { Sql } from '../store/statement.ts';
import type { InstanceRow } from '../store/tables.ts';
import { passesOf, troubledKeys } from './breakers.ts';

/** REGISTER */
export function registerInstance(id: Uuid): Sql<void> {
  return {
    name: 'register_instance',
    *run(s) {
      yield* s.insert(s.tables.instances, id, { id, beat: 0, lost: false });
    },
  };
}

export interface BeatResult {
  renewed: boolean;
  peers: InstanceRow[];
  timersDue: boolean;
  leasesOverdue: boolean;
  readyOverdue: boolean;
  leasesOrphaned: boolean;
  readyPools: Pool[];
  /** Milliseconds until the next timer within the coming beat, or null. */
  nextTimerMs: number | null;
  /** Keys of the circuit breakers that are not closed. */
  breakers: string[];
}

/** BEAT: renews this instance; everything else is as of the snapshot. */
export function beat(id: Uuid): Sql<BeatResult> {
  return {
    name: 'instance_beat',
    *run(s) {
      const now = s.nowMs();
      const me = yield* s.update(
        s.tables.instances,
        id,
        (row) => ({ ...row, beat: row.beat + 1 }),
        (row) => !row.lost,
      );
      const nextMs = s
        .all(s.tables.timers, ({ breaker }) => breaker === null || passesOf(s, breaker) > 0)
        .reduce((min, timer) => Math.min(min, timer.dueMs), Infinity);
      const living = new Set(s.all(s.tables.instances, (row) => !row.lost).map((row) => row.id));
      return {
        renewed: me !== null,
        peers: s.all(s.tables.instances, (row) => row.id !== id && !row.lost),
        timersDue: nextMs <= now,
        leasesOverdue: s.all(s.tables.leases, (lease) => lease.deadlineMs < now).length > 0,
        readyOverdue: s.all(s.tables.ready, (task) => task.startByMs !== null && task.startByMs < now).length > 0,
        leasesOrphaned: s.all(s.tables.leases, (lease) => !living.has(lease.instanceId)).length > 0,
        readyPools: [...new Set(s.all(s.tables.ready, () => true).map((task) => task.pool))],
        breakers: troubledKeys(s),
        nextTimerMs: nextMs < now + 2_500 ? Math.max(0, nextMs - now) : null,
      };
    },
  };
}

/** ALIVE: false once it has been declared lost; then whatever it found to be gone says nothing. */
export function instanceAlive(id: Uuid): Sql<boolean> {
  return reading('instance_alive', (s) => s.get(s.tables.instances, id)?.lost === false);
}

/** LOSE: if its counter is still the one that did not move. */
export function loseInstance(peer: InstanceRow): Sql<boolean> {
  return {
    name: 'lose_instance',
    *run(s) {
      const lost = yield* s.update(
        s.tables.instances,
        peer.id,
        (row) => ({ ...row, lost: true }),
        (row) => row.beat === peer.beat && !row.lost,
      );
      return lost !== null;
    },
  };
}
