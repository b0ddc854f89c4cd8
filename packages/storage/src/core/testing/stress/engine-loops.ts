import { decideLoss, decideSeal, decideTool } from '@everruns/engine';
import type { LossCause } from '@everruns/engine';
import { loseInstance } from '../../instances.ts';
import { adoptLeases, leasesOfInstance, orphanedLeases, requeueLease } from '../../leases.ts';
import type { HeldLease } from '../../leases.ts';
import { moveDueTasks } from '../../timers.ts';
import { applyUnderHead, decideContext, openCalls } from '../turn-driver.ts';
import type { Player } from '../turn-driver.ts';
import { chance, count, freshInstance, pause, pick, takenAway } from './arena.ts';
import type { Arena } from './arena.ts';

/** Reapers, timers and instances. */

export async function tick(arena: Arena): Promise<void> {
  await pause(10);
  await moveDueTasks(arena.db, 50);
  for (const orphan of await orphanedLeases(arena.db, 50)) await recover(arena, orphan, 'instance_lost');
}

export async function reap(arena: Arena): Promise<void> {
  await pause(15);
  for (const player of arena.players) {
    for (const lease of await leasesOfInstance(arena.db, player.instanceId)) {
      if (chance(arena, 0.3)) await recover(arena, lease, chance(arena, 0.5) ? 'worker_lost' : 'instance_lost');
    }
  }
}

async function recover(arena: Arena, lease: HeldLease, cause: LossCause): Promise<void> {
  const verdict = decideLoss(lease, cause, arena.random());
  if (verdict.action === 'requeue') {
    const delayMs = Math.min(verdict.delayMs, 20);
    const moved = await requeueLease(arena.db, { lease, losses: verdict.losses, failures: lease.failures, delayMs });
    if (moved) takenAway(arena, lease.token, `reclaimed ${cause}`);
    return;
  }
  const player = pick(arena, arena.players);
  const applied = await applyUnderHead(arena.db, lease.sessionId, (state, workflow) => {
    if (!workflow.leases.some((held) => held.token === lease.token)) return null;
    if (verdict.action === 'seal') return { plan: decideSeal(state, openCalls(workflow), decideContext(player)), drop: 'all' };
    const plans = new Map(workflow.calls.map((row) => [row.callId, row.plan]));
    const end = { status: 'unknown' as const, error: 'Outcome unknown.' };
    const decision = decideTool(state, { callId: lease.callId as string, end, plans }, decideContext(player));
    return { plan: workflow.openCalls === 1 ? decision.last : decision.others, drop: [lease.taskId] };
  });
  if (applied !== null) takenAway(arena, lease.token, verdict.action === 'seal' ? 'sealed' : 'settled unknown');
}

/** A worker comes back on another stream with some of its leases. */
export async function moveWorker(arena: Arena): Promise<void> {
  await pause(25);
  const from = pick(arena, arena.players);
  const to = pick(arena, arena.players);
  const tokens = (await leasesOfInstance(arena.db, from.instanceId)).map((lease) => lease.token);
  const { bootId, workerId } = from.seat;
  const held = await adoptLeases(arena.db, {
    instanceId: to.instanceId,
    attachment: to.ids.next(),
    bootId,
    workerId,
    tokens: tokens.filter(() => chance(arena, 0.7)).toReversed(),
  });
  if (held.length > 0) count(arena, 'adopted');
}

/** An instance is declared lost; its worker goes on claiming through a new one. */
export async function loseOne(arena: Arena): Promise<void> {
  await pause(400);
  const index = Math.floor(arena.random() * arena.players.length);
  const player = arena.players[index] as Player;
  if (await loseInstance(arena.db, { id: player.instanceId, beat: 0 })) count(arena, 'instance lost');
  arena.players[index] = await freshInstance(arena, player);
}
