import { PlatformError, toPublicId } from '@everruns/contract';
import type { EventContext, Message, Uuid } from '@everruns/contract';
import { decideAbandon, decideCancel, decideClientResults, FINAL_STATUSES, startTurn } from '@everruns/engine';
import type { ClientResult, EventDraft, TurnState } from '@everruns/engine';
import { acceptMessage, findMessageByKey, findRecentMessage, markSessionDeleted, underHead } from '@everruns/storage';
import type { AcceptResult, CallRow, HeldHead, WorkflowRow } from '@everruns/storage';
import { isDeepStrictEqual } from 'node:util';
import { announce, decideContext, repeat } from './context.ts';
import type { EngineContext } from './context.ts';
import type { PostMessage, Scope, ToolResultInput, TurnService } from './port.ts';
import { liveWorkflow, openCalls, openClientCalls } from './recovery.ts';

/** Version of the turn workflow that new turns start with. */
export const TURN_VERSION = 1;
const PREVIEW = 2_000;
const CANCEL_NOTE = '[The user asked to stop the previous turn.]';

export function createTurnService(ctx: EngineContext): TurnService {
  return {
    postMessage: (scope, post) => postMessage(ctx, scope, post),
    submitToolResults: (scope, sessionId, results) => submitToolResults(ctx, scope, { sessionId, results }),
    cancel: (scope, sessionId, reason) => cancel(ctx, scope, { sessionId, reason: reason ?? 'user_request' }),
    deleteSession: (scope, sessionId) => deleteSession(ctx, scope, sessionId),
  };
}

function notFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such session.');
}

async function postMessage(ctx: EngineContext, scope: Scope, post: PostMessage): Promise<Message> {
  const messageId = ctx.ids.random();
  const message = buildMessage(ctx, messageId, post);
  const key = post.clientMessageId ?? null;
  const turnId = ctx.ids.next();
  const context: EventContext = { input_message_id: message.id };
  const start = startTurn({ turnId, inputMessageId: message.id, inputPreview: previewOf(message) }, decideContext(ctx));
  const events: EventDraft[] = [
    { type: 'input.message', context, data: { message }, ...(post.tags === undefined ? {} : { tags: post.tags }) },
    {
      type: 'turn.started',
      context,
      data: { turn_id: toPublicId('turn', turnId), input_message_id: message.id, input_content: start.state.input_preview },
    },
    { type: 'session.activated', context, data: { turn_id: toPublicId('turn', turnId), input_message_id: message.id } },
  ];
  const command = { orgId: scope.orgId, sessionId: post.sessionId, key, turnId, events, version: TURN_VERSION, ...start };
  const result = await repeat(
    ctx,
    async (attempt): Promise<AcceptResult | StoredResult> => {
      if (attempt > 0) {
        const stored = await findRecentMessage(ctx.db, { orgId: scope.orgId, sessionId: post.sessionId, messageId });
        if (stored !== null) return { verdict: 'stored', seq: stored.seq };
      }
      return acceptMessage(ctx.db, command);
    },
    post.sessionId,
  );
  const said = { ...message, session_id: toPublicId('session', post.sessionId) };
  switch (result.verdict) {
    case 'not_found':
      throw notFound();
    case 'duplicate':
      return storedDuplicate(ctx, scope, { sessionId: post.sessionId, key: key as Uuid });
    case 'stored':
      ctx.dispatcher.poke(['reason']);
      return { ...said, sequence: result.seq, delivery: 'started' };
    case 'waiting':
      return abandonWait(ctx, scope, { post, message: said, event: events[0] as EventDraft });
    case 'started':
    case 'steered':
      announce(ctx, post.sessionId, { events: result.events, dropped: [] }, new Set(result.verdict === 'started' ? ['reason'] : []));
      return { ...said, sequence: result.events[0]?.sequence as number, delivery: result.verdict };
    default:
      return result satisfies never;
  }
}

/** The reply to the first attempt was lost, but the message is in the log. */
interface StoredResult {
  verdict: 'stored';
  seq: number;
}

function buildMessage(ctx: EngineContext, id: Uuid, post: PostMessage): Message {
  return {
    id: toPublicId('message', id),
    role: 'user',
    content: post.content,
    created_at: new Date(ctx.nowMs()).toISOString(),
    ...(post.controls === undefined ? {} : { controls: post.controls }),
    ...(post.metadata === undefined ? {} : { metadata: post.metadata }),
    ...(post.externalActor === undefined ? {} : { external_actor: post.externalActor }),
  };
}

function previewOf(message: Message): string {
  const texts = message.content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  return texts.join('\n').slice(0, PREVIEW);
}

async function storedDuplicate(ctx: EngineContext, scope: Scope, at: { sessionId: Uuid; key: Uuid }): Promise<Message> {
  const stored = await findMessageByKey(ctx.db, { orgId: scope.orgId, ...at });
  if (stored === null) throw notFound();
  const message = stored.data['message'] as Message;
  return { ...message, session_id: toPublicId('session', at.sessionId), sequence: stored.seq, delivery: 'duplicate' };
}

interface AbandonInput {
  post: PostMessage;
  message: Message;
  event: EventDraft;
}

/** The session waits for its client: the message ends the wait. Whoever gets the head first wins; the other one is told. */
async function abandonWait(ctx: EngineContext, scope: Scope, input: AbandonInput): Promise<Message> {
  const { post, message } = input;
  const applied = await repeat(
    ctx,
    () =>
      underHead(ctx.db, { sessionId: post.sessionId, orgId: scope.orgId }, async (held) => {
        const workflow = await waitingWorkflow(held);
        if (workflow === null) return 'moved_on' as const;
        const state = workflow.state as TurnState;
        const turn = toPublicId('turn', state.turn_id);
        const context = { ...input.event.context, turn_id: turn, trace_id: turn };
        const activated: EventDraft = { type: 'session.activated', context, data: { turn_id: turn, input_message_id: message.id } };
        const plan = decideAbandon(state, openClientCalls(workflow), [{ ...input.event, context }, activated], decideContext(ctx));
        return held.apply(workflow.id, plan);
      }),
    post.sessionId,
  );
  if (applied === null) throw notFound();
  if (applied === 'moved_on') return postMessage(ctx, scope, post);
  announce(ctx, post.sessionId, applied, new Set(['reason']));
  const sequence = applied.events.find((event) => event.type === 'input.message')?.sequence;
  return { ...message, ...(sequence === undefined ? {} : { sequence }), delivery: 'resumed' };
}

async function waitingWorkflow(held: HeldHead): Promise<WorkflowRow | null> {
  const workflow = held.head.turnId === null ? null : await liveWorkflow(held, held.head.turnId);
  return workflow?.status === 'waiting' ? workflow : null;
}

interface ToolResults {
  sessionId: Uuid;
  results: ToolResultInput[];
}

async function submitToolResults(ctx: EngineContext, scope: Scope, input: ToolResults): Promise<{ accepted: number; status: string }> {
  let pools = new Set<'reason' | 'tool'>();
  const answer = await repeat(
    ctx,
    () =>
      underHead(ctx.db, { sessionId: input.sessionId, orgId: scope.orgId }, async (held) => {
        const workflow = await waitingWorkflow(held);
        if (workflow === null) return repeatedResults(held, input.results);
        const fresh = freshResults(workflow.calls, input.results);
        if (fresh.length === 0) return { accepted: 0, status: 'waitingfortoolresults' };
        const plan = decideClientResults(workflow.state as TurnState, openClientCalls(workflow), fresh, decideContext(ctx));
        pools = new Set(plan.tasks.map((task) => task.pool));
        const applied = await held.apply(workflow.id, plan);
        return { accepted: fresh.length, status: plan.head === 'active' ? 'active' : 'waitingfortoolresults', applied };
      }),
    input.sessionId,
  );
  if (answer === null) throw notFound();
  if ('applied' in answer) announce(ctx, input.sessionId, answer.applied, pools);
  return { accepted: answer.accepted, status: answer.status };
}

/** Checks what was posted against what is asked: unknown ids are refused, answers given before are accepted when they are the same. */
function freshResults(calls: readonly CallRow[], results: readonly ToolResultInput[]): ClientResult[] {
  const client = new Map(calls.filter((call) => call.side === 'client').map((call) => [call.callId, call]));
  const fresh = new Map<string, ClientResult>();
  for (const result of results) {
    const call = client.get(result.toolCallId);
    if (call === undefined) {
      throw new PlatformError('unknown_tool_call', `No tool call "${result.toolCallId}" is waiting for a result.`, {
        field: 'tool_results',
      });
    }
    if (call.state === 'settled') requireSame(call, result);
    else fresh.set(call.callId, clientResult(result));
  }
  return [...fresh.values()];
}

function clientResult(result: ToolResultInput): ClientResult {
  return result.error === undefined
    ? { callId: result.toolCallId, result: result.result ?? null }
    : { callId: result.toolCallId, error: result.error };
}

function requireSame(call: CallRow, result: ToolResultInput): void {
  const { callId: _callId, ...given } = clientResult(result);
  if (!isDeepStrictEqual(call.result, given)) {
    throw new PlatformError('conflicting_tool_result', `Tool call "${call.callId}" has been answered differently before.`);
  }
}

/** Nothing waits. A repetition of the answers that resumed the running turn is fine; anything else comes too early or too late. */
async function repeatedResults(held: HeldHead, results: readonly ToolResultInput[]): Promise<{ accepted: number; status: string }> {
  const waiting = new PlatformError(
    'not_waiting_for_tool_results',
    `The session is not waiting for tool results (current status: ${held.head.status}).`,
  );
  const answered = await held.answeredClientCalls();
  for (const result of results) {
    const call = answered.find((candidate) => candidate.callId === result.toolCallId);
    if (call === undefined) throw waiting;
    requireSame(call, result);
  }
  return { accepted: 0, status: held.head.status === 'waiting_for_tool_results' ? 'waitingfortoolresults' : held.head.status };
}

async function cancel(
  ctx: EngineContext,
  scope: Scope,
  input: { sessionId: Uuid; reason: string },
): Promise<{ status: 'cancelled' | 'no_op'; message: string }> {
  const applied = await repeat(
    ctx,
    () => underHead(ctx.db, { sessionId: input.sessionId, orgId: scope.orgId }, (held) => cancelUnderHead(ctx, held, input.reason)),
    input.sessionId,
  );
  if (applied === null) throw notFound();
  if (applied === 'no_op') return { status: 'no_op', message: 'No turn is running.' };
  announce(ctx, input.sessionId, applied, new Set());
  return { status: 'cancelled', message: 'The turn was cancelled.' };
}

async function cancelUnderHead(
  ctx: EngineContext,
  held: HeldHead,
  reason: string,
): Promise<'no_op' | Awaited<ReturnType<HeldHead['apply']>>> {
  if (held.head.turnId === null) return 'no_op';
  const workflow = await held.workflow(held.head.turnId);
  if (workflow === null || FINAL_STATUSES.has(workflow.status)) return 'no_op';
  const state = workflow.state as TurnState;
  const partial = ctx.feed.openText(held.sessionId, state.step.message_id);
  const plan = decideCancel(
    state,
    { reason, open: openCalls(workflow), note: CANCEL_NOTE, ...(partial === null ? {} : { partial: { text: partial } }) },
    decideContext(ctx),
  );
  return held.apply(workflow.id, plan, { drop: 'all' });
}

async function deleteSession(ctx: EngineContext, scope: Scope, sessionId: Uuid): Promise<void> {
  const result = await repeat(ctx, () =>
    underHead(ctx.db, { sessionId, orgId: scope.orgId }, async (held) => {
      const cancelled = await cancelUnderHead(ctx, held, 'session_deleted');
      await markSessionDeleted(held.tx, { orgId: scope.orgId, sessionId });
      return cancelled;
    }),
  );
  if (result === null) throw notFound();
  if (result !== 'no_op') announce(ctx, sessionId, result, new Set());
  ctx.feed.deleted(sessionId);
}
