import { Chaos } from './actors/chaos.ts';
import type { Weather } from './actors/chaos.ts';
import { Client } from './actors/client.ts';
import { Instance } from './actors/instance.ts';
import { Trouble } from './actors/trouble.ts';
import { Worker } from './actors/worker.ts';
import type { World } from './actors/world.ts';
import { countingIds } from './base/ids.ts';
import { createRandom } from './base/random.ts';
import { run, sleep } from './base/task.ts';
import type { Task } from './base/task.ts';
import { Timeline } from './base/timeline.ts';
import { Observer } from './check/observer.ts';
import { Violations } from './check/violations.ts';
import type { Fault } from './faults.ts';
import { Server } from './store/server.ts';
import { Store } from './store/store.ts';
import type { Isolation } from './store/store.ts';
import { SqlError } from './store/tx.ts';
import type { Write } from './store/tx.ts';

export interface SimulationOptions {
  seed: number;
  faults?: readonly Fault[];
  isolation?: Isolation;
  /** What the seed does not decide. */
  weather?: Partial<Weather>;
  /** Keeps what happened, line by line. */
  trace?: boolean;
}

export interface SimulationResult {
  seed: number;
  /** The first rule that did not hold, or null. */
  violation: string | null;
  counts: ReadonlyMap<string, number>;
  /** Pairs of phase and cause that were decided. */
  decisions: ReadonlySet<string>;
  virtualMs: number;
  steps: number;
  trace: string[];
}

/** More than this is a run that goes in circles. */
const MAX_STEPS = 400_000;
/** With everything well, no turn stands still for longer than its longest time-out. */
const STUCK_MS = 60_000;
/** When the trouble ends, whether or not the clients are done. */
const TROUBLE_MS = 45_000;

/** One schedule: the seed decides who is there, what they do, and what goes wrong. */
export function simulate(options: SimulationOptions): SimulationResult {
  const { world, result, steps } = play(options);
  return {
    seed: options.seed,
    violation: world.violations.first,
    counts: world.counts,
    decisions: world.decisions,
    virtualMs: Math.round(world.timeline.nowMs),
    steps,
    trace: result,
  };
}

function play(options: SimulationOptions): { world: World; result: string[]; steps: number } {
  const lines: string[] = [];
  const world = createWorld(options, lines);
  const { random, timeline, violations } = world;
  const sessions = Array.from({ length: 1 + random.int(4) }, () => world.ids.named('f'));
  run(addSessions(world, sessions));
  while (sessions.some((id) => world.server.store.tables.heads.get(id) === null)) timeline.step();
  timeline.after(10, () => (world.chaos.active = true));
  const workers = Array.from({ length: 1 + random.int(3) }, (_, n) => new Worker(world, `worker ${n + 1}`));
  world.instances.push(...Array.from({ length: 1 + random.int(3) }, (_, n) => new Instance(world, `instance ${n + 1}`)));
  for (const process of [...world.instances, ...workers]) process.start();
  const clients = sessions.map((sessionId) => new Client(world, sessionId));
  for (const client of clients) timeline.after(random.between(5, 50), () => client.start(3 + random.int(10)));
  const trouble = new Trouble(world, workers, clients);
  run(trouble.run());
  const rest = { reached: false };
  run(watch(world, { clients, trouble, rest }));
  let steps = 0;
  while (!rest.reached && violations.first === null) {
    if (!timeline.step()) violations.report('nothing is left to happen');
    if (++steps > MAX_STEPS) violations.report('the run goes in circles');
  }
  if (violations.first === null) world.observer.finish();
  if (violations.first !== null) world.trace(() => `VIOLATION ${violations.first}`);
  return { world, result: lines, steps };
}

function createWorld(options: SimulationOptions, lines: string[]): World {
  const timeline = new Timeline();
  const random = createRandom(options.seed);
  const violations = new Violations();
  const chaos = new Chaos(random, options.weather ?? {});
  const trace = (line: () => string): void => {
    if (options.trace === true) lines.push(`${timeline.nowMs.toFixed(2).padStart(10)} ${line()}`);
  };
  const store: Store = new Store({
    timeline,
    random,
    isolation: options.isolation ?? 'read committed',
    onCommit: (writes) => committed(world, writes),
    onDeadlock: (description) => violations.report(`deadlock: ${description}`),
  });
  const server = new Server({
    timeline,
    random,
    store,
    cut: () => chaos.cut(),
    slowness: () => chaos.slowness(),
    scheduleToStartMs: chaos.weather.scheduleToStartMs,
    onUnexpected: (error) => violations.report(error instanceof SqlError ? error.message : String((error as Error).stack ?? error)),
    trace,
  });
  const world: World = {
    timeline,
    random,
    ids: countingIds(),
    server,
    faults: new Set(options.faults),
    chaos,
    observer: new Observer(store.tables, violations),
    violations,
    instances: [],
    counts: new Map(),
    decisions: new Set(),
    listeners: [],
    trace,
  };
  return world;
}

function committed(world: World, writes: readonly Write[]): void {
  for (const event of world.observer.committed(writes)) {
    world.trace(() => `  ${event.seq} ${event.type}`);
    for (const listener of world.listeners) world.timeline.after(world.random.next() * 5, () => listener(event));
  }
}

function* addSessions(world: World, sessions: readonly string[]): Task<void> {
  yield* world.server.run({
    name: 'create_sessions',
    *run(s) {
      for (const sessionId of sessions) {
        yield* s.insert(s.tables.heads, sessionId, { sessionId, lastSeq: 0, lastInputSeq: 0, turnId: null, status: 'started' });
      }
    },
  });
}

interface Watched {
  clients: readonly Client[];
  trouble: Trouble;
  rest: { reached: boolean };
}

/** Ends the trouble when the clients are done, then waits until everything has come to rest. */
function* watch(world: World, { clients, trouble, rest }: Watched): Task<void> {
  const { timeline, observer, violations } = world;
  const busy = (): boolean => clients.some((client) => client.busy > 0);
  yield* sleep(timeline, 100);
  while (timeline.nowMs < TROUBLE_MS && (busy() || !observer.settled())) yield* sleep(timeline, 100);
  trouble.heal();
  for (let progress = observer.progress, sinceMs = timeline.nowMs; busy() || !observer.settled();) {
    yield* sleep(timeline, 250);
    if (observer.progress !== progress) [progress, sinceMs] = [observer.progress, timeline.nowMs];
    violations.check(timeline.nowMs - sinceMs < STUCK_MS, () => 'nothing moves although everything is well');
  }
  rest.reached = true;
}
