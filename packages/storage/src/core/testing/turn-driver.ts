import { DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import type { IdSource, PlannedCall, Pool, ReasonOutcome, Uuid } from '@everruns/contract';
import { decideCancel, decideReason, decideTool, startTurn } from '@everruns/engine';
import type { DecideContext, Plan, TurnState } from '@everruns/engine';
import type { Database, Queryable } from '../../database.ts';
import { acceptMessage } from '../accept.ts';
import type { AcceptCommand, AcceptResult, OfferedSeat } from '../accept.ts';
import { claimTasks } from '../claim.ts';
import type { ClaimedTask, Seat } from '../claim.ts';
import { completeStep } from '../complete.ts';
import type { CompleteCommand, CompleteResult } from '../complete.ts';
import { underHead } from '../head.ts';
import type { Applied, HeldHead, WorkflowRow } from '../head.ts';
import { callsOfStep } from '../leases.ts';
import { readPrompt } from '../prompt.ts';
import { sql } from './sql.ts';

/** Plays client, worker and control plane against the real statements, with the engine's real decisions in between. */

export const NO_ORG: Uuid = '00000000-0000-0000-0000-000000000000';

export interface Player {
  ids: IdSource;
  instanceId: Uuid;
  seat: Seat;
}

export function newPlayer(ids: IdSource, instanceId: Uuid = ids.next()): Player {
  return { ids, instanceId, seat: { workerId: 'worker', bootId: ids.random(), attachment: ids.next() } };
}

export function decideContext(player: Player): DecideContext {
  return { nowMs: Date.now(), ids: player.ids, clientDeadlineMs: 60_000 };
}

/** A session that has never had a turn. */
export async function openSession(db: Queryable, player: Player, orgId: Uuid = DEFAULT_ORG_ID): Promise<Uuid> {
  const id = player.ids.next();
  await sql(
    db,
    `with o as (insert into organizations (id, name) values ($2, 'test') on conflict do nothing),
       s as (insert into sessions (id, org_id, harness_id, workspace_id, owner_user_id) values ($1, $2, $3, $4, $5))
     insert into session_heads (session_id, org_id) values ($1, $2)`,
    [id, orgId, player.ids.next(), player.ids.next(), player.ids.next()],
  );
  return id;
}

export interface PostOptions {
  orgId?: Uuid;
  key?: Uuid;
  turnId?: Uuid;
  messageId?: Uuid;
  text?: string;
  /** Offers the player's seat for the turn's first task. */
  seated?: boolean;
  orgCap?: number;
  freeSeats?: number;
}

export function postCommand(player: Player, sessionId: Uuid, options: PostOptions = {}): AcceptCommand {
  const turnId = options.turnId ?? player.ids.next();
  const messageId = options.messageId ?? player.ids.random();
  const message = toPublicId('message', messageId);
  const content = [{ type: 'text', text: options.text ?? 'Hello' }];
  const context = { input_message_id: message };
  const start = startTurn({ turnId, inputMessageId: message, inputPreview: 'Hello' }, decideContext(player));
  return {
    orgId: options.orgId ?? DEFAULT_ORG_ID,
    sessionId,
    key: options.key ?? messageId,
    turnId,
    events: [
      { type: 'input.message', context, data: { message: { id: message, role: 'user', content, created_at: new Date().toISOString() } } },
      { type: 'turn.started', context, data: { turn_id: toPublicId('turn', turnId), input_message_id: message } },
      { type: 'session.activated', context, data: { turn_id: toPublicId('turn', turnId) } },
    ],
    ...start,
    version: 1,
    ...(options.seated === true ? { seat: offeredSeat(player, options) } : {}),
  };
}

function offeredSeat(player: Player, { orgCap = 1_000, freeSeats = 1 }: PostOptions): OfferedSeat {
  return { ...player.seat, instanceId: player.instanceId, token: player.ids.random(), orgCap, freeSeats };
}

export function post(db: Queryable, player: Player, sessionId: Uuid, options: PostOptions = {}): Promise<AcceptResult> {
  return acceptMessage(db, postCommand(player, sessionId, options));
}

export interface ClaimOptions {
  seats?: number;
  afterOrg?: Uuid;
  orgCap?: number;
}

export function claim(db: Queryable, player: Player, pool: Pool, options: ClaimOptions = {}): Promise<ClaimedTask[]> {
  return claimTasks(db, {
    pool,
    seats: Array.from({ length: options.seats ?? 10 }, () => player.seat),
    instanceId: player.instanceId,
    afterOrg: options.afterOrg ?? NO_ORG,
    orgCap: options.orgCap ?? 1_000,
  });
}

/** Claims until there is one; a test that expects exactly one task uses this. */
export async function claimOne(db: Queryable, player: Player, pool: Pool): Promise<ClaimedTask> {
  const [task, ...others] = await claim(db, player, pool);
  if (task === undefined || others.length > 0) throw new Error(`Expected one ${pool} task, claimed ${others.length + (task ? 1 : 0)}.`);
  return task;
}

/** A session in the middle of its first turn, with the reason task claimed. */
export async function runningTurn(db: Queryable, player: Player, orgId?: Uuid): Promise<{ sessionId: Uuid; task: ClaimedTask }> {
  const sessionId = await openSession(db, player, orgId);
  await post(db, player, sessionId, orgId === undefined ? {} : { orgId });
  const task = await claimOne(db, player, 'reason');
  return { sessionId, task };
}

export const MODEL = { provider_type: 'llmsim', model: 'sim' };

export function textOutcome(seen: number, text = 'Hi there.'): ReasonOutcome {
  return {
    kind: 'reason',
    success: true,
    events: [],
    text,
    calls: [],
    max_iterations: 100,
    usage: { input_tokens: 10, output_tokens: 5 },
    duration_ms: 3,
    answered: { seen, model: MODEL },
  };
}

export function call(id: string, options: Partial<PlannedCall> = {}): PlannedCall {
  return { id, name: 'tool', arguments: {}, side: 'server', effect: 'idempotent', ...options };
}

/** What a worker would send for a reason step that answered with these calls, or with text alone. */
export function reasonCommand(player: Player, task: ClaimedTask, options: { seen: number; calls?: PlannedCall[] }): CompleteCommand {
  const outcome = { ...textOutcome(options.seen), calls: options.calls ?? [] };
  const decision = decideReason(task.state as TurnState, outcome, { ...MODEL, seen: options.seen }, decideContext(player));
  const { sessionId, taskId, token, revision } = task;
  return { sessionId, taskId, token, revision, seen: options.seen, ...decision };
}

export async function completeReason(db: Queryable, player: Player, task: ClaimedTask, calls: PlannedCall[] = []): Promise<CompleteResult> {
  const { seen } = await readPrompt(db, task.sessionId);
  return completeStep(db, reasonCommand(player, task, { seen, calls }));
}

/** What a worker's result leads to; `plans` are the batch's calls in full, where the call has a successor or the client is asked next. */
export function toolCommand(player: Player, task: ClaimedTask, plans?: Map<string, PlannedCall>): CompleteCommand {
  const own = task.payload.input['call'] as PlannedCall;
  const settled = { callId: own.id, end: { status: 'success' as const, result: 'done' }, plans: plans ?? new Map([[own.id, own]]) };
  const decision = decideTool(task.state as TurnState, settled, decideContext(player));
  const { sessionId, taskId, token } = task;
  return { sessionId, taskId, token, revision: null, seen: 0, plan: decision.others, last: decision.last };
}

export async function completeTool(db: Queryable, player: Player, task: ClaimedTask): Promise<CompleteResult> {
  return completeStep(db, toolCommand(player, task, await callsOfStep(db, task)));
}

export function openCalls(workflow: WorkflowRow): { callId: string; state: 'pending' | 'running'; plan: PlannedCall }[] {
  return workflow.calls.flatMap(({ callId, state, plan }) => (state === 'settled' ? [] : [{ callId, state, plan }]));
}

/** Ends the running turn; null when none runs. `before` is awaited while the head is held. */
export async function cancel(db: Database, player: Player, sessionId: Uuid, before?: () => Promise<void>): Promise<Applied | null> {
  return underHead(db, { sessionId, orgId: null }, async (held) => {
    const applied = await cancelHeld(held, player);
    await before?.();
    return applied;
  });
}

export async function cancelHeld(held: HeldHead, player: Player, note?: string): Promise<Applied | null> {
  if (held.head.turnId === null) return null;
  const workflow = await held.workflow(held.head.turnId);
  if (workflow === null) return null;
  const input = { reason: 'user_request', open: openCalls(workflow), ...(note === undefined ? {} : { note }) };
  return held.apply(workflow.id, decideCancel(workflow.state as TurnState, input, decideContext(player)), { drop: 'all' });
}

/** Applies a plan that is decided on the session's running workflow; null when none runs or the decision is to do nothing. */
export async function applyUnderHead(
  db: Database,
  sessionId: Uuid,
  decide: (state: TurnState, workflow: WorkflowRow) => { plan: Plan; drop?: Uuid[] | 'all' } | null,
): Promise<Applied | null> {
  return underHead(db, { sessionId, orgId: null }, async (held) => {
    const workflow = held.head.turnId === null ? null : await held.workflow(held.head.turnId);
    if (workflow === null) return null;
    const decision = decide(workflow.state as TurnState, workflow);
    if (decision === null) return null;
    const { plan, drop } = decision;
    return held.apply(workflow.id, plan, drop === undefined ? {} : { drop });
  });
}

export interface LogRow extends Record<string, unknown> {
  seq: number;
  type: string;
  data: Record<string, unknown>;
}

export function readLog(db: Queryable, sessionId: Uuid): Promise<LogRow[]> {
  return sql<LogRow>(db, 'select seq, type, data from events where session_id = $1 order by seq', [sessionId]);
}

export async function logTypes(db: Queryable, sessionId: Uuid): Promise<string[]> {
  return (await readLog(db, sessionId)).map((row) => row.type);
}
