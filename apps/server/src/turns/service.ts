import { PlatformError, toPublicId } from '@everruns/contract';
import type { EventContext, Message, Uuid } from '@everruns/contract';
import { cutText, decideAbandon, decideClientResults, startTurn } from '@everruns/engine';
import type { ClientResult, EventDraft, TurnState } from '@everruns/engine';
import { acceptMessage, findMessageByKey, findRecentMessage, underHead } from '@everruns/storage';
import type { AcceptResult, Applied, CallRow, HeldHead, StoredInput, WorkflowRow } from '@everruns/storage';
import { isDeepStrictEqual } from 'node:util';
import { cancelTurn, deleteSession, notFound } from './cancel.ts';
import { announce, decideContext, repeat, wake } from './context.ts';
import type { EngineContext } from './context.ts';
import { liveWorkflow, openClientCalls } from './lease-ends.ts';
import type { PostMessage, Scope, ToolResultInput, TurnService } from './port.ts';

const PREVIEW = 2_000;

export function createTurnService(ctx: EngineContext): TurnService {
  return {
    postMessage: (scope, post) => postMessage(ctx, scope, post),
    submitToolResults: (scope, sessionId, results) => submitToolResults(ctx, scope, { sessionId, results }),
    cancel: (scope, sessionId, reason) => cancelTurn(ctx, scope, { sessionId, reason: reason ?? 'user_request' }),
    deleteSession: (scope, sessionId) => deleteSession(ctx, scope, sessionId),
  };
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
  const command = { orgId: scope.orgId, sessionId: post.sessionId, key, turnId, events, version: ctx.newTurnVersion(), ...start };
  const result = await repeat(
    ctx,
    async (attempt): Promise<AcceptResult | StoredResult> => {
      if (attempt > 0) {
        const stored = await findRecentMessage(ctx.db, { orgId: scope.orgId, sessionId: post.sessionId, messageId });
        if (stored !== null) return { verdict: 'stored', seq: stored.seq, started: stored.started };
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
      if (result.started) wake(ctx, ['reason']);
      return { ...said, sequence: result.seq, delivery: result.started ? 'started' : 'steered' };
    case 'waiting':
      return abandonWait(ctx, scope, { post, messageId, message: said, event: events[0] as EventDraft });
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
  started: boolean;
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
  return cutText(texts.join('\n'), PREVIEW);
}

async function storedDuplicate(ctx: EngineContext, scope: Scope, at: { sessionId: Uuid; key: Uuid }): Promise<Message> {
  const stored = await repeat(ctx, () => findMessageByKey(ctx.db, { orgId: scope.orgId, ...at }));
  if (stored === null) throw notFound();
  return duplicateOf(stored, at.sessionId);
}

function duplicateOf(stored: StoredInput, sessionId: Uuid): Message {
  const message = stored.data['message'] as Message;
  return { ...message, session_id: toPublicId('session', sessionId), sequence: stored.seq, delivery: 'duplicate' };
}

interface AbandonInput {
  post: PostMessage;
  messageId: Uuid;
  message: Message;
  event: EventDraft;
}

/** The session waits for its client: the message ends the wait. Whoever gets the head first wins; the other one is told. */
async function abandonWait(ctx: EngineContext, scope: Scope, input: AbandonInput): Promise<Message> {
  const { post, message } = input;
  const at = { sessionId: post.sessionId, orgId: scope.orgId };
  const answer = await repeat(
    ctx,
    (attempt) => underHead(ctx.db, at, (held) => abandonUnderHead(ctx, held, { ...input, ...at, attempt })),
    post.sessionId,
  );
  if (answer === null) throw notFound();
  switch (answer.kind) {
    case 'moved_on':
      return postMessage(ctx, scope, post);
    case 'duplicate':
      return duplicateOf(answer.stored, post.sessionId);
    case 'stored':
      wake(ctx, ['reason']);
      return { ...message, sequence: answer.stored.seq, delivery: 'resumed' };
    case 'resumed': {
      announce(ctx, post.sessionId, answer.applied, new Set(['reason']));
      const sequence = answer.applied.events.find((event) => event.type === 'input.message')?.sequence;
      return { ...message, ...(sequence === undefined ? {} : { sequence }), delivery: 'resumed' };
    }
    default:
      return answer satisfies never;
  }
}

type Abandoned =
  | { kind: 'moved_on' }
  /** Under the client's key, by another post. */
  | { kind: 'duplicate'; stored: StoredInput }
  /** By this post, whose reply was lost. */
  | { kind: 'stored'; stored: StoredInput }
  | { kind: 'resumed'; applied: Applied };

async function abandonUnderHead(
  ctx: EngineContext,
  held: HeldHead,
  input: AbandonInput & { orgId: Uuid; attempt: number },
): Promise<Abandoned> {
  const { post, message, messageId, orgId } = input;
  const at = { orgId, sessionId: held.sessionId };
  const mine = input.attempt > 0 ? await findRecentMessage(held.tx, { ...at, messageId }) : null;
  if (mine !== null) return { kind: 'stored', stored: mine };
  const key = post.clientMessageId;
  const other = key === undefined ? null : await findMessageByKey(held.tx, { ...at, key });
  if (other !== null) return { kind: 'duplicate', stored: other };
  const workflow = await waitingWorkflow(ctx, held);
  if (workflow === null) return { kind: 'moved_on' };
  const state = workflow.state as TurnState;
  const turn = toPublicId('turn', state.turn_id);
  const context = { ...input.event.context, turn_id: turn, trace_id: turn };
  const activated: EventDraft = { type: 'session.activated', context, data: { turn_id: turn, input_message_id: message.id } };
  const plan = decideAbandon(state, openClientCalls(workflow), [{ ...input.event, context }, activated], decideContext(ctx));
  return { kind: 'resumed', applied: await held.apply(workflow.id, plan, key === undefined ? {} : { messageKey: key }) };
}

async function waitingWorkflow(ctx: EngineContext, held: HeldHead): Promise<WorkflowRow | null> {
  const workflow = held.head.turnId === null ? null : await liveWorkflow(ctx, held, held.head.turnId);
  return workflow?.status === 'waiting' ? workflow : null;
}

interface ToolResults {
  sessionId: Uuid;
  results: ToolResultInput[];
}

interface ResultsAnswer {
  accepted: number;
  status: string;
}

async function submitToolResults(ctx: EngineContext, scope: Scope, input: ToolResults): Promise<ResultsAnswer> {
  let pools = new Set<'reason' | 'tool'>();
  let first: ResultsAnswer | null = null; // an attempt whose reply was lost has been answered by what it wrote
  const write = async (held: HeldHead): Promise<ResultsAnswer & { applied?: Applied }> => {
    const workflow = await waitingWorkflow(ctx, held);
    if (workflow === null) {
      const repeated = await repeatedResults(held, input.results);
      return first ?? repeated;
    }
    const fresh = freshResults(workflow.calls, input.results);
    if (fresh.length === 0) return first ?? { accepted: 0, status: 'waitingfortoolresults' };
    const plan = decideClientResults(workflow.state as TurnState, openClientCalls(workflow), fresh, decideContext(ctx));
    pools = new Set(plan.tasks.map((task) => task.pool));
    first = { accepted: fresh.length, status: plan.head === 'active' ? 'active' : 'waitingfortoolresults' };
    return { ...first, applied: await held.apply(workflow.id, plan) };
  };
  const at = { sessionId: input.sessionId, orgId: scope.orgId };
  const answer = await repeat(ctx, () => underHead(ctx.db, at, write), input.sessionId);
  if (answer === null) throw notFound();
  if (answer.applied !== undefined) announce(ctx, input.sessionId, answer.applied, pools);
  else if (answer.accepted > 0) wake(ctx, [...pools]);
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
async function repeatedResults(held: HeldHead, results: readonly ToolResultInput[]): Promise<ResultsAnswer> {
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
