import type { Database } from '../../../database.ts';
import type { Random } from '../random.ts';
import { scalar } from '../sql.ts';
import { openSession } from '../turn-driver.ts';
import type { Player } from '../turn-driver.ts';
import { count, freshInstance, loop, pause } from './arena.ts';
import type { Arena, Tally } from './arena.ts';
import { actAsClient, answerClientCalls } from './clients.ts';
import { loseOne, moveWorker, reap, tick } from './engine-loops.ts';
import { speakFromTheGrave, work } from './workers.ts';

/**
 * Clients, workers, reapers and instances that get into each other's way on a handful of sessions, with the real statements and the engine's
 * real decisions. What it leaves behind is judged by `invariants.ts`.
 */

const SESSIONS = 12;
const INSTANCES = 3;

export interface StressRun {
  /** Counts of what happened; `error <code>` for anything that was thrown. */
  tally: Tally;
  /** Messages that were acknowledged. */
  accepted: number;
  /** Times that each unsafe call began to run. */
  unsafeStarts: ReadonlyMap<string, number>;
}

export async function runStress(db: Database, player: Player, options: { durationMs: number; random: Random }): Promise<StressRun> {
  const arena: Arena = {
    db,
    random: options.random,
    sessions: [],
    players: [],
    tally: {},
    unsafeStarts: new Map(),
    dead: new Set(),
    zombies: [],
    accepted: 0,
    aside: [],
    phase: 'busy',
  };
  for (let n = 0; n < SESSIONS; n++) arena.sessions.push(await openSession(db, player));
  for (let n = 0; n < INSTANCES; n++) arena.players.push(await freshInstance(arena, player));
  const whileBusy = () => arena.phase === 'busy';
  const untilOver = () => arena.phase !== 'over';
  const clients = Array.from({ length: 4 }, () => loop(arena, whileBusy, () => actAsClient(arena)));
  const rest = [
    ...Array.from({ length: INSTANCES }, (_, n) => [
      loop(arena, untilOver, () => work(arena, n, 'reason')),
      loop(arena, untilOver, () => work(arena, n, 'tool')),
    ]).flat(),
    loop(arena, untilOver, () => reap(arena)),
    loop(arena, untilOver, () => speakFromTheGrave(arena)),
    loop(arena, untilOver, () => tick(arena)),
    loop(arena, untilOver, () => answerClientCalls(arena)),
    loop(arena, whileBusy, () => moveWorker(arena)),
    loop(arena, whileBusy, () => loseOne(arena)),
  ];
  await pause(options.durationMs);
  arena.phase = 'draining';
  await Promise.all(clients);
  await untilIdle(arena);
  arena.phase = 'over';
  await Promise.all([...rest, ...arena.aside]);
  return { tally: arena.tally, accepted: arena.accepted, unsafeStarts: arena.unsafeStarts };
}

const DRAIN_MS = 20_000;

async function untilIdle(arena: Arena): Promise<void> {
  const until = performance.now() + DRAIN_MS;
  while ((await scalar<number>(arena.db, 'select count(*)::int from session_heads where turn_id is not null')) > 0) {
    if (performance.now() > until) return count(arena, 'error turns did not end');
    await pause(20);
  }
}
