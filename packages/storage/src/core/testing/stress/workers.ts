import type { PlannedCall, Pool } from '@everruns/contract';
import type { Plan } from '@everruns/engine';
import type { ClaimedTask } from '../../claim.ts';
import { completeStep } from '../../complete.ts';
import type { CompleteCommand } from '../../complete.ts';
import { callsOfStep, requeueLease } from '../../leases.ts';
import type { HeldLease } from '../../leases.ts';
import { readPrompt } from '../../prompt.ts';
import { appendInStep, checkpointLease } from '../../step.ts';
import { sql } from '../sql.ts';
import { call, claim, reasonCommand, toolCommand } from '../turn-driver.ts';
import type { Player } from '../turn-driver.ts';
import { PAUSE_MS, chance, count, fenced, pause, pick, takenAway } from './arena.ts';
import type { Arena } from './arena.ts';

/** Workers that are slow, give back, fall silent, speak twice or too late. */

export async function work(arena: Arena, index: number, pool: Pool): Promise<void> {
  const player = arena.players[index] as Player;
  const tasks = await claim(arena.db, player, pool, { seats: 1 + Math.floor(arena.random() * 4) });
  if (tasks.length === 0) return pause(PAUSE_MS);
  await Promise.all(tasks.map((task) => hold(arena, player, task)));
}

/** One worker with one task: slow, gone, confused or plain. */
export async function hold(arena: Arena, player: Player, task: ClaimedTask): Promise<void> {
  count(arena, `claimed ${task.pool}`);
  if (chance(arena, 0.04)) return giveBackUnstarted(arena, task);
  if (task.effect === 'unsafe') arena.unsafeStarts.set(task.taskId, (arena.unsafeStarts.get(task.taskId) ?? 0) + 1);
  if (chance(arena, 0.15)) await pause(arena.random() * 8);
  if (chance(arena, 0.03)) {
    arena.zombies.push({ player, task });
    return count(arena, 'vanished');
  }
  if (chance(arena, 0.3)) await speakInStep(arena, task);
  await complete(arena, player, task);
  if (chance(arena, 0.08)) arena.zombies.push({ player, task });
}

async function giveBackUnstarted(arena: Arena, task: ClaimedTask): Promise<void> {
  const [lease] = await sql<HeldLease & Record<string, unknown>>(
    arena.db,
    `select task_id as "taskId", token, instance_id as "instanceId", attachment, losses, failures from leases where token = $1`,
    [task.token],
  );
  if (lease === undefined) return;
  const moved = await requeueLease(arena.db, { lease, losses: lease.losses, failures: lease.failures, delayMs: 0 });
  if (moved) takenAway(arena, task.token, 'given back');
}

async function speakInStep(arena: Arena, task: ClaimedTask): Promise<void> {
  const events = [{ type: 'reason.item' as const, context: task.payload.context, data: {} }];
  const append = () =>
    fenced(arena, task, () => appendInStep(arena.db, { sessionId: task.sessionId, taskId: task.taskId, token: task.token, n: 1, events }));
  count(arena, `append ${(await append()).verdict}`);
  if (chance(arena, 0.3)) count(arena, `append ${(await append()).verdict}`);
  if (chance(arena, 0.3)) await checkpointLease(arena.db, { taskId: task.taskId, token: task.token, state: { at: 1 } });
}

async function complete(arena: Arena, player: Player, task: ClaimedTask): Promise<void> {
  const command = await commandFor(arena, player, task);
  const eager = chance(arena, 0.4) ? leaseNext(player, command) : null;
  const send = () => fenced(arena, task, () => completeStep(arena.db, eager?.command ?? command));
  const results = chance(arena, 0.05) ? await Promise.all([send(), send()]) : [await send()];
  for (const result of results) {
    count(arena, result.verdict === 'ok' ? `completed ${result.branch}` : result.verdict);
    const next = result.verdict === 'ok' ? eager?.tasks[result.branch] : undefined;
    if (result.verdict === 'ok' && next !== undefined) {
      const plan = command[result.branch === 'only' ? 'plan' : result.branch];
      await hold(arena, player, { ...task, ...next, attempt: 1, revision: result.revision, state: plan?.state });
    }
  }
}

async function commandFor(arena: Arena, player: Player, task: ClaimedTask): Promise<CompleteCommand> {
  if (task.pool === 'tool') return toolCommand(player, task, await callsOfStep(arena.db, task));
  const { seen } = await readPrompt(arena.db, task.sessionId);
  if (chance(arena, 0.2)) await pause(arena.random() * PAUSE_MS);
  const ends = arena.phase === 'draining' || chance(arena, 0.5);
  return reasonCommand(player, task, { seen, calls: ends ? [] : someCalls(arena, player) });
}

function someCalls(arena: Arena, player: Player): PlannedCall[] {
  return Array.from({ length: 1 + Math.floor(arena.random() * 4) }, () => {
    const effect = pick(arena, ['readonly', 'idempotent', 'unsafe'] as const);
    const side = chance(arena, 0.12) ? 'client' : 'server';
    return call(player.ids.random(), { effect, side, ...(chance(arena, 0.25) ? { concurrency_class: 'one' } : {}) });
  });
}

type NextTask = Pick<ClaimedTask, 'taskId' | 'token' | 'pool' | 'step' | 'callId' | 'effect' | 'payload'>;

/** The next reason step leased along with this completion, as an eager answer does it. */
function leaseNext(player: Player, command: CompleteCommand): { command: CompleteCommand; tasks: Partial<Record<string, NextTask>> } {
  const tasks: Partial<Record<string, NextTask>> = {};
  const grant = (branch: string, plan: Plan): Plan => {
    const [draft, ...others] = plan.tasks;
    if (draft === undefined || others.length > 0 || draft.pool !== 'reason') return plan;
    const token = player.ids.random();
    tasks[branch] = { ...draft, taskId: draft.id, token };
    const { start, context } = draft.payload;
    const started = { type: start.type, context, data: { ...start.data, attempt: 1 } };
    return { ...plan, tasks: [], leases: [{ ...draft, token }], events: [...plan.events, started] };
  };
  const { plan, last, steered } = command;
  return {
    tasks,
    command: {
      ...command,
      plan: grant('only', plan),
      ...(last === undefined ? {} : { last: grant('last', last) }),
      ...(steered === undefined || steered === null ? {} : { steered: grant('steered', steered) }),
    },
  };
}

export async function speakFromTheGrave(arena: Arena): Promise<void> {
  await pause(PAUSE_MS);
  const zombie = arena.zombies.shift();
  if (zombie === undefined) return;
  const { player, task } = zombie;
  await speakInStep(arena, task);
  const command = await commandFor(arena, player, task);
  const result = await fenced(arena, task, () => completeStep(arena.db, command));
  count(arena, `stale ${result.verdict}`);
}
