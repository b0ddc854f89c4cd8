import { toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { decideAbandon, decideCancel, decideClientResults, EMPTY_PLAN, fold, startTurn } from '@everruns/engine';
import type { ClientResult, EventDraft, Plan, TurnEvent } from '@everruns/engine';
import type { Task } from '../base/task.ts';
import { accept, findMessage } from '../statements/accept.ts';
import type { AcceptCommand } from '../statements/accept.ts';
import { openCalls, recordKey } from '../statements/head.ts';
import { SqlError } from '../store/tx.ts';
import type { Instance } from './instance.ts';
import { decideUnderHead } from './lease-ends.ts';
import { repeat } from './repeat.ts';
import { count } from './world.ts';

/** What clients ask of the control plane. */

export interface Post {
  sessionId: Uuid;
  /** The client's key, under which a message is stored once. */
  key: Uuid | null;
}

/** Stores a message, and starts, steers or resumes a turn; gives the id under which it is in the log. */
export function* postMessage(ctx: Instance, post: Post): Task<string> {
  const uuid = ctx.world.ids.random();
  const id = toPublicId('message', uuid);
  // Without a key of the client's its own id is one: repeated after a lost reply, it meets itself.
  const key = post.key ?? (ctx.world.faults.has('post_without_key') ? null : uuid);
  const message = { id, metadata: post.key === null ? {} : { key: post.key } };
  const input: EventDraft = { type: 'input.message', context: {}, data: { message } };
  const own = { sessionId: post.sessionId, key, messageId: id };
  try {
    for (;;) {
      const verdict = yield* acceptMessage(ctx, own, input);
      if (verdict !== 'waiting') return id;
      if (yield* abandonWait(ctx, own, input)) return id;
    }
  } catch (error) {
    if (!(error instanceof SqlError) || error.code !== '23505') throw error;
    count(ctx.world, 'duplicate post');
    ctx.reconciler.request(); // the first one may have been granted a lease
    return id;
  }
}

interface OwnMessage {
  sessionId: Uuid;
  key: Uuid | null;
  messageId: string;
}

function* acceptMessage(ctx: Instance, own: OwnMessage, input: EventDraft): Task<'started' | 'steered' | 'stored' | 'waiting'> {
  const turnId = ctx.world.ids.named('d');
  const { state, task } = startTurn({ turnId, inputMessageId: own.messageId, inputPreview: '' }, ctx.decideContext());
  const events: EventDraft[] = [
    input,
    { type: 'turn.started', context: {}, data: {} },
    { type: 'session.activated', context: {}, data: {} },
  ];
  const seat = ctx.world.random.chance(0.5) ? ctx.gateway.offerSeat() : null;
  const command: AcceptCommand = { sessionId: own.sessionId, key: own.key, turnId, events, state, task, offer: offerOf(ctx, seat) };
  if (seat !== null) seat.attachment.promised.reason++;
  try {
    const result = yield* repeat(ctx, function* (attempt) {
      const stored = attempt > 0 && own.key === null ? yield* ctx.db(findMessage(own)) : null;
      return stored === null ? yield* ctx.db(accept(command, ctx.world.faults)) : ({ verdict: 'stored' } as const);
    });
    count(ctx.world, `post ${result.verdict}`);
    if (result.verdict !== 'started') return result.verdict;
    if (result.granted === null || seat === null) ctx.wake(new Set(['reason']));
    else {
      count(ctx.world, 'post with a seat');
      ctx.gateway.assign(seat.attachment, { lease: result.granted, state, revision: 1 });
    }
    return 'started';
  } finally {
    if (seat !== null) seat.attachment.promised.reason--;
  }
}

function offerOf(ctx: Instance, seat: ReturnType<Instance['gateway']['offerSeat']>): AcceptCommand['offer'] {
  if (seat === null) return null;
  const { attachment, freeSeats } = seat;
  return { ...attachment.seat, instanceId: attachment.instanceId, token: ctx.world.ids.named('b'), freeSeats };
}

/** The session waits for its client: the message ends the wait. False when somebody else ended it first. */
function* abandonWait(ctx: Instance, own: OwnMessage, input: EventDraft): Task<boolean> {
  const abandoned = yield* decideUnderHead(ctx, own.sessionId, function* (held) {
    const workflow = yield* held.live(held.head.turnId);
    if (workflow?.status !== 'waiting') return null;
    const plan = decideAbandon(workflow.state, openCalls(workflow, 'client'), [input], ctx.decideContext());
    const seq = held.head.lastSeq + plan.events.indexOf(input) + 1;
    if (own.key !== null && !ctx.world.faults.has('abandon_without_key')) {
      yield* held.run(recordKey({ sessionId: own.sessionId, key: own.key, seq }));
    }
    return { workflow, plan, cause: 'message while waiting' };
  });
  if (abandoned) count(ctx.world, 'post resumed');
  return abandoned;
}

/** Ends the running turn. Repeated after a lost reply, it ends only the one that it meant. */
export function* cancelTurn(ctx: Instance, sessionId: Uuid, request: string): Task<void> {
  let meant: Uuid | null = null;
  const cancelled = yield* decideUnderHead(ctx, sessionId, function* (held) {
    const repeated = meant !== null && !ctx.world.faults.has('cancel_repeated_blindly');
    const workflow = yield* held.live(repeated && held.head.turnId !== meant ? null : held.head.turnId);
    if (workflow === null) return null;
    meant = workflow.id;
    const input = { reason: request, open: openCalls(workflow), note: 'The user asked to stop.' };
    return { workflow, plan: decideCancel(workflow.state, input, ctx.decideContext()), cause: 'cancelled', drop: 'all' };
  });
  if (cancelled) count(ctx.world, 'turn cancelled');
}

/** Answers client-side calls: unknown ids refuse all, answers that were given before count as nothing. */
export function* submitResults(ctx: Instance, sessionId: Uuid, results: readonly ClientResult[]): Task<'accepted' | 'refused'> {
  const accepted = yield* decideUnderHead(ctx, sessionId, function* (held) {
    const workflow = yield* held.live(held.head.turnId);
    if (workflow?.status !== 'waiting') return null;
    const open = openCalls(workflow, 'client');
    const known = new Set(workflow.calls.filter((call) => call.side === 'client').map((call) => call.callId));
    const fresh = results.filter((result) => open.some((call) => call.callId === result.callId));
    if (results.some((result) => !known.has(result.callId)) || fresh.length === 0) return null;
    const plan = decideClientResults(workflow.state, open, fresh, ctx.decideContext());
    const all = open.every((call) => fresh.some((result) => result.callId === call.callId));
    return { workflow, plan, cause: all ? 'client answered the last calls' : 'client answered some calls' };
  });
  if (accepted) count(ctx.world, 'client results');
  return accepted ? 'accepted' : 'refused';
}

/**
 * Usage of a lost attempt that the provider reports late: it stands for everything that changes a workflow's state under its head while a task of
 * it lies in the queue. It makes the state that a claim in flight returns older than the lease, so revisions conflict. (While calls are
 * open the state must not change: their completions do not look at the revision.)
 */
export function* accountLate(ctx: Instance, sessionId: Uuid): Task<void> {
  const accounted = yield* decideUnderHead(ctx, sessionId, function* (held) {
    const workflow = yield* held.live(held.head.turnId);
    if (workflow === null || workflow.state.phase !== 'reasoning' || workflow.leases.length > 0) return null;
    const usage = { input_tokens: 1, output_tokens: 1 };
    const { max_iterations } = workflow.state;
    const history: TurnEvent[] = [{ type: 'reason_completed', data: { usage, tool_call_count: 0, max_iterations } }];
    const plan: Plan = { ...EMPTY_PLAN, history, state: fold(workflow.state, history), usage };
    return { workflow, plan, cause: null };
  });
  if (accounted) count(ctx.world, 'late usage');
}
