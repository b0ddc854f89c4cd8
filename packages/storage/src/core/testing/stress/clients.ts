import { toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { decideAbandon, decideClientResults } from '@everruns/engine';
import type { EventDraft, Plan, TurnState } from '@everruns/engine';
import { sql } from '../sql.ts';
import { applyUnderHead, cancel, decideContext, openCalls, post } from '../turn-driver.ts';
import type { Player } from '../turn-driver.ts';
import { aside, chance, count, pause, PAUSE_MS, pick } from './arena.ts';
import type { Arena } from './arena.ts';
import { hold } from './workers.ts';

/** Clients that post, cancel, answer and abandon. */

export async function actAsClient(arena: Arena): Promise<void> {
  const sessionId = pick(arena, arena.sessions);
  const player = pick(arena, arena.players);
  if (chance(arena, 0.1)) {
    count(arena, (await cancel(arena.db, player, sessionId)) === null ? 'cancel of nothing' : 'cancelled');
  } else if (chance(arena, 0.15)) {
    const key = player.ids.random();
    await Promise.all([say(arena, player, sessionId, key), say(arena, player, sessionId, key)]);
  } else {
    await say(arena, player, sessionId);
  }
  if (chance(arena, 0.6)) await pause(arena.random() * PAUSE_MS);
}

async function say(arena: Arena, player: Player, sessionId: Uuid, key?: Uuid): Promise<void> {
  const seated = chance(arena, 0.4);
  const result = await post(arena.db, player, sessionId, { seated, freeSeats: 4, ...(key === undefined ? {} : { key }) });
  count(arena, result.verdict);
  if (result.verdict === 'started' && result.task !== null) {
    count(arena, 'seated');
    const { task } = result;
    aside(arena, () => hold(arena, player, task));
  }
  if (result.verdict === 'started' || result.verdict === 'steered') arena.accepted++;
  if (result.verdict === 'waiting' && chance(arena, 0.3)) await abandon(arena, player, sessionId);
}

async function abandon(arena: Arena, player: Player, sessionId: Uuid): Promise<void> {
  const message = { id: toPublicId('message', player.ids.random()), role: 'user', content: [] };
  const events: EventDraft[] = [{ type: 'input.message', context: {}, data: { message } }];
  const applied = await whileWaiting(arena, sessionId, (state, open) => decideAbandon(state, open, events, decideContext(player)));
  if (applied) {
    arena.accepted++;
    count(arena, 'abandoned');
  }
}

export async function answerClientCalls(arena: Arena): Promise<void> {
  await pause(PAUSE_MS);
  const waiting = await sql<{ id: Uuid }>(arena.db, `select session_id as id from session_heads where status = 'waiting_for_tool_results'`);
  for (const { id } of waiting) {
    const all = chance(arena, 0.5);
    const player = pick(arena, arena.players);
    const applied = await whileWaiting(arena, id, (state, open) => {
      const answered = all ? open : open.slice(0, 1);
      const results = answered.map(({ callId }) => ({ callId, result: 'answer' }));
      return decideClientResults(state, open, results, decideContext(player));
    });
    if (applied) count(arena, 'client answered');
  }
}

async function whileWaiting(
  arena: Arena,
  sessionId: Uuid,
  decide: (state: TurnState, open: ReturnType<typeof openCalls>) => Plan,
): Promise<boolean> {
  const applied = await applyUnderHead(arena.db, sessionId, (state, workflow) =>
    workflow.status === 'waiting' ? { plan: decide(state, openCalls(workflow)) } : null,
  );
  return applied !== null;
}
