import { toPublicId } from '@everruns/contract';
import type { PlannedCall } from '@everruns/contract';
import type { EventDraft, Plan, Settlement } from '../plan.ts';
import { actCompleted, afterBatch, nextReason, planOf } from './decide.ts';
import type { DecideContext } from './decide.ts';
import { draft, idled, noticeMessage, toolCompleted, turnContext, turnTotals } from './session-events.ts';
import type { ToolEnd } from './session-events.ts';
import { iterationsOf } from './state.ts';
import type { BatchCall, TurnEvent, TurnState } from './state.ts';

/** Decisions taken under the session's head with every row read after the lock: cancel, client results, deadlines, seals, deaths. */

/** An unsettled call as the locked rows show it. */
export interface OpenCall {
  callId: string;
  state: 'pending' | 'running';
  plan: PlannedCall;
}

export interface CancelInput {
  reason: string;
  open: readonly OpenCall[];
  /** Text of the answer that clients have seen so far and that is not in the log yet; it stays there. */
  partial?: { text: string };
  /** A note in the conversation, so that the next turn's model knows. */
  note?: string;
}

export function decideCancel(state: TurnState, input: CancelInput, ctx: DecideContext): Plan {
  const cancelled = settleAll(state, input.open, (call) => ({
    status: 'cancelled',
    error: call.state === 'running' ? 'Cancelled while it was running; it may have taken effect.' : 'Cancelled before it started.',
  }));
  const ended = planOf(state, [{ type: 'ended', data: { how: 'cancelled' } }], {});
  const totals = turnTotals(state, ctx.nowMs);
  return {
    ...ended,
    status: 'cancelled',
    head: 'idle',
    events: [
      ...cancelled.events,
      ...(state.phase === 'reasoning' || state.phase === 'ended' ? [] : [actCompleted(state, ctx.nowMs, false)]),
      ...partialMessage(state, input, ctx),
      ...(input.note === undefined ? [] : [noteEvent(state, input.note, ctx)]),
      draft('turn.cancelled', turnContext(state), { turn_id: totals['turn_id'], reason: input.reason, usage: state.usage }),
      idled(state),
    ],
    settle: cancelled.settle,
    openCalls: 0,
  };
}

function partialMessage(state: TurnState, input: CancelInput, ctx: DecideContext): EventDraft[] {
  if (input.partial === undefined || input.partial.text === '' || state.phase !== 'reasoning') return [];
  const notice = noticeMessage(state, {
    nowMs: ctx.nowMs,
    messageId: state.step.message_id,
    text: input.partial.text,
    code: 'cancelled',
  });
  return [{ ...notice, data: { message: notice.data['message'], metadata: { interrupted: true } } }];
}

/** Does not raise the last input sequence: nobody waits for an answer to it. */
function noteEvent(state: TurnState, text: string, ctx: DecideContext): EventDraft {
  return draft('input.message', turnContext(state), {
    message: {
      id: toPublicId('message', ctx.ids.random()),
      role: 'user',
      content: [{ type: 'text', text }],
      created_at: new Date(ctx.nowMs).toISOString(),
      metadata: { kind: 'cancel_note' },
    },
  });
}

export interface Settled {
  events: EventDraft[];
  settle: Settlement[];
}

export function settleAll(state: TurnState, open: readonly OpenCall[], endOf: (call: OpenCall) => ToolEnd): Settled {
  const events: EventDraft[] = [];
  const settle: Settlement[] = [];
  for (const call of open) {
    const entry = state.calls.find((candidate) => candidate.id === call.callId);
    if (entry === undefined) continue;
    const end = endOf(call);
    events.push(toolCompleted(state, entry, call.plan, end));
    settle.push(settlement(state, entry, end));
  }
  return { events, settle };
}

function settlement(state: TurnState, entry: BatchCall, end: ToolEnd): Settlement {
  const shown = end.error === undefined ? { result: end.result ?? null } : { error: end.error };
  const result = end.digest === undefined ? shown : { ...shown, digest: end.digest };
  return { step: state.iteration, callId: entry.id, status: end.status, result };
}

export interface ClientResult {
  callId: string;
  result?: unknown;
  error?: string;
  /** Of the whole, where what is shown is not all of it: a repetition is told from another answer by it. */
  digest?: string;
}

/** Takes the answers to calls that are still pending; the one that completes the set resumes the turn. */
export function decideClientResults(
  state: TurnState,
  open: readonly OpenCall[],
  results: readonly ClientResult[],
  ctx: DecideContext,
): Plan {
  const answers = new Map(results.map((result) => [result.callId, result]));
  const answered = open.filter((call) => answers.has(call.callId));
  const settled = settleAll(state, answered, (call) => {
    const { result = null, error, digest } = answers.get(call.callId) as ClientResult;
    const whole = digest === undefined ? {} : { digest };
    return error === undefined ? { status: 'success', result, ...whole } : { status: 'error', error, ...whole };
  });
  if (answered.length < open.length) {
    return planOf(state, factsOf(settled), { events: settled.events, settle: settled.settle, openCalls: open.length - answered.length });
  }
  return resume(state, settled, ctx);
}

/**
 * The client, or the person whom it asks, did not answer in time: the model is told so, or gets what stands for an answer, and goes on when
 * nothing else is open.
 */
export function decideClientDeadline(
  state: TurnState,
  open: readonly OpenCall[],
  ctx: DecideContext,
  of: 'client' | 'question' = 'client',
): Plan {
  const late = open.filter(({ plan }) => (plan.question === undefined ? 'client' : 'question') === of);
  const settled = settleAll(state, late, ({ plan: { question } }) =>
    question === undefined
      ? { status: 'timeout', error: 'The client did not answer in time.' }
      : { status: 'success', result: question.unanswered },
  );
  if (late.length === open.length) return resume(state, settled, ctx);
  return planOf(state, factsOf(settled), { events: settled.events, settle: settled.settle, openCalls: open.length - late.length });
}

/** A new message abandons the wait: the open calls are answered as interrupted, then the message is read. */
export function decideAbandon(state: TurnState, open: readonly OpenCall[], message: EventDraft[], ctx: DecideContext): Plan {
  const settled = settleAll(state, open, () => ({
    status: 'cancelled',
    error: 'Interrupted: the user sent another message instead of a result.',
  }));
  const plan = resume(state, settled, ctx);
  return { ...plan, events: [...plan.events, ...message], input: true };
}

function factsOf(settled: Settled): TurnEvent[] {
  return settled.settle.map((call) => ({ type: 'call_settled', data: { call_id: call.callId, status: call.status } }));
}

/** The last open calls are settled: the batch is over and the model goes on. */
function resume(state: TurnState, settled: Settled, ctx: DecideContext): Plan {
  return afterBatch(state, { events: settled.events, settle: settled.settle, facts: factsOf(settled) }, ctx);
}

const SEAL_TEXT = 'I had to stop: this turn made no progress after its worker was lost several times. Please try again.';

/** Stopped on purpose: repeated losses without any progress. Terminal and visible. */
export function decideSeal(state: TurnState, open: readonly OpenCall[], ctx: DecideContext): Plan {
  const settled = settleAll(state, open, () => ({ status: 'error', error: 'Not completed: the turn was stopped.' }));
  const ended = planOf(state, [{ type: 'ended', data: { how: 'sealed' } }], {});
  return {
    ...ended,
    status: 'sealed',
    head: 'idle',
    events: [
      ...settled.events,
      ...(state.phase === 'reasoning' ? [] : [actCompleted(state, ctx.nowMs, false)]),
      noticeMessage(state, { nowMs: ctx.nowMs, messageId: ctx.ids.random(), text: SEAL_TEXT, code: 'processing_error' }),
      draft('turn.sealed', turnContext(state), {
        turn_id: toPublicId('turn', state.turn_id),
        reason: 'no_progress',
        detail: 'The worker was lost repeatedly without any progress of the step.',
        iterations: iterationsOf(state),
        usage: state.usage,
      }),
      idled(state),
    ],
    settle: settled.settle,
    openCalls: 0,
  };
}

/**
 * A step is given up (lost too often, or out of attempts), but a message came in that no step has read: the turn goes on with it instead of
 * ending, since nobody else would answer.
 */
export function decideGoOn(state: TurnState, open: readonly OpenCall[], ctx: DecideContext): Plan {
  const settled = settleAll(state, open, () => ({ status: 'error', error: 'Not completed: the step was given up.' }));
  const acting = state.phase !== 'reasoning';
  const facts: TurnEvent[] = [...factsOf(settled), ...(acting ? [{ type: 'act_completed', data: {} } as const] : [])];
  const next = nextReason(state, facts, ctx);
  return planOf(state, next.history, {
    status: 'running',
    head: 'active',
    events: [...settled.events, ...(acting ? [actCompleted(state, ctx.nowMs, false)] : [])],
    settle: settled.settle,
    tasks: [next.task],
    openCalls: 0,
  });
}

const DEAD_TEXT = 'I encountered an error while processing your request. Please try again later.';

/** The step's attempts are used up: the turn fails, the dead letter keeps what is needed to run it again. */
export function decideDeath(state: TurnState, open: readonly OpenCall[], detail: string, ctx: DecideContext): Plan {
  const settled = settleAll(state, open, () => ({ status: 'error', error: 'Not completed: the turn failed.' }));
  const ended = planOf(state, [{ type: 'ended', data: { how: 'failed' } }], {});
  const disclosed = { error_code: 'processing_error', error_disclosure: 'standard' };
  return {
    ...ended,
    status: 'failed',
    head: 'idle',
    events: [
      ...settled.events,
      ...(state.phase === 'reasoning' ? [] : [actCompleted(state, ctx.nowMs, false)]),
      noticeMessage(state, { nowMs: ctx.nowMs, messageId: ctx.ids.random(), text: DEAD_TEXT, code: 'processing_error' }, disclosed),
      draft('turn.failed', turnContext(state), { turn_id: toPublicId('turn', state.turn_id), error: detail, ...disclosed }),
      idled(state),
    ],
    settle: settled.settle,
    openCalls: 0,
  };
}
