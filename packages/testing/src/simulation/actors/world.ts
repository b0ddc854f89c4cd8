import type { Random } from '../base/random.ts';
import type { countingIds } from '../base/ids.ts';
import type { Timeline } from '../base/timeline.ts';
import type { Observer } from '../check/observer.ts';
import type { Violations } from '../check/violations.ts';
import type { Faults } from '../faults.ts';
import type { Server } from '../store/server.ts';
import type { EventRow } from '../store/tables.ts';
import type { Chaos } from './chaos.ts';
import type { Instance } from './instance.ts';

/** What every actor of a run shares. */
export interface World {
  timeline: Timeline;
  random: Random;
  ids: ReturnType<typeof countingIds>;
  server: Server;
  faults: Faults;
  chaos: Chaos;
  observer: Observer;
  violations: Violations;
  instances: Instance[];
  /** Counts of what happened, and which decisions were taken: the run's coverage. */
  counts: Map<string, number>;
  decisions: Set<string>;
  /** Sees each event when its transaction has committed. */
  listeners: ((event: EventRow) => void)[];
  trace(line: () => string): void;
}

export function count(world: World, what: string): void {
  world.counts.set(what, (world.counts.get(what) ?? 0) + 1);
}
