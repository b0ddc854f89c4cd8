import type { Uuid } from '@everruns/contract';
import { sqlState } from '../../../database.ts';
import type { Database } from '../../../database.ts';
import type { ClaimedTask } from '../../claim.ts';
import type { Random } from '../random.ts';
import { newPlayer } from '../turn-driver.ts';
import type { Player } from '../turn-driver.ts';
import { joinAsInstance } from '../world.ts';

/** What the actors of a stress run share. */

/** How often each thing happened, by name. */
export type Tally = Record<string, number>;

export const PAUSE_MS = 5;

export interface Arena {
  db: Database;
  random: Random;
  sessions: Uuid[];
  players: Player[];
  tally: Tally;
  unsafeStarts: Map<string, number>;
  /** Tokens whose leases were taken away: nothing that is sent with them later may be written. */
  dead: Set<Uuid>;
  /** Tasks that were completed, or whose holders fell silent: they speak again later. */
  zombies: { player: Player; task: ClaimedTask }[];
  accepted: number;
  /** What was started without anybody waiting for it. */
  aside: Promise<void>[];
  /** Clients stop first, then the others when all turns have ended. */
  phase: 'busy' | 'draining' | 'over';
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export function count(arena: Arena, what: string): void {
  arena.tally[what] = (arena.tally[what] ?? 0) + 1;
}

/** Nothing may be thrown: what is, is counted under its SQLSTATE and fails the test. */
export async function loop(arena: Arena, goesOn: () => boolean, act: () => Promise<void>): Promise<void> {
  while (goesOn()) await attempt(arena, act);
}

/** Starts something that the run waits for at its end. */
export function aside(arena: Arena, act: () => Promise<void>): void {
  arena.aside.push(attempt(arena, act));
}

async function attempt(arena: Arena, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    count(arena, `error ${sqlState(error) ?? String(error)}`);
  }
}

export function takenAway(arena: Arena, token: Uuid, how: string): void {
  arena.dead.add(token);
  count(arena, how);
}

export function chance(arena: Arena, probability: number): boolean {
  return arena.random() < probability;
}

export function pick<T>(arena: Arena, from: readonly T[]): T {
  return from[Math.floor(arena.random() * from.length)] as T;
}

export async function freshInstance(arena: Arena, like: Player): Promise<Player> {
  const player = newPlayer(like.ids);
  player.seat.workerId = `worker_${player.instanceId.slice(-4)}`;
  await joinAsInstance(arena.db, player);
  return player;
}

/** Sends something under a lease; it must not be written when the lease had been taken away before. */
export async function fenced<R extends { verdict: string }>(arena: Arena, task: ClaimedTask, send: () => Promise<R>): Promise<R> {
  const wasDead = arena.dead.has(task.token);
  const result = await send();
  if (wasDead && result.verdict === 'ok') count(arena, 'error a lost lease could write');
  return result;
}
