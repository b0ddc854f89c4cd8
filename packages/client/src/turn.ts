import type { EventData, SessionEvent, SessionEventOf } from '@everruns/contract';
import type { Operations } from './api.ts';
import type { EventOptions } from './stream.ts';
import { TextAssembler } from './text.ts';
import type { TextUpdate } from './text.ts';
import type { ClientTool } from './tools.ts';
import { REPEATABLE } from './transport.ts';

type ApprovalCall = EventData<'tool.approval_requested'>['tool_summaries'][number];
type ToolCall = EventData<'tool.call_requested'>['tool_calls'][number];
export type Decision = 'allow' | 'allow_always' | 'reject' | 'reject_always';

export interface TurnOptions {
  /** Tools that this program runs. The session has to know them: they are named when it is made. */
  tools?: readonly ClientTool[];
  /** Called with more of the answer as it comes in. */
  onText?: (update: TextUpdate) => void;
  /** The same for what the model thinks. */
  onThinking?: (update: TextUpdate) => void;
  /** Every event of the turn, in order. */
  onEvent?: (event: SessionEvent) => void;
  /** Decides about a call that waits for approval; without it somebody else has to. */
  approve?: (call: ApprovalCall) => Decision | Promise<Decision>;
  /** Ends the waiting; the turn itself goes on, unless it is cancelled. */
  signal?: AbortSignal;
}

export interface TurnResult {
  turnId: string;
  status: 'completed' | 'failed' | 'cancelled' | 'sealed';
  /** The last text of the agent. */
  text: string;
  /** How the turn ended. */
  end: EventData<'turn.completed' | 'turn.failed' | 'turn.cancelled' | 'turn.sealed'>;
}

export interface TurnDeps {
  api: Operations;
  follow: (sessionId: string, options: EventOptions) => AsyncIterable<SessionEvent>;
}

/** How far somebody has got with a turn: from what the log says, nothing else. */
interface Progress {
  /** Null: not known yet which turn takes the message up. */
  turnId: string | null;
  text: string;
}

export interface FollowedTurn extends TurnOptions {
  sessionId: string;
  /** The message that the turn takes up; null: whichever turn runs. */
  messageId: string | null;
  /** Read from behind this sequence. */
  after: number;
  /** Calls that have their result already. */
  answered?: ReadonlySet<string>;
}

/** Follows a turn to its end, and answers what it asks of this client on the way. */
export async function followTurn(deps: TurnDeps, turn: FollowedTurn): Promise<TurnResult> {
  const progress: Progress = { turnId: null, text: '' };
  const output = new TextAssembler('output.message.delta');
  const thinking = new TextAssembler('reason.thinking.delta');
  const client = new TurnClient(deps.api, turn);
  const { signal } = turn;
  for await (const event of deps.follow(turn.sessionId, { after: turn.after, ...(signal !== undefined && { signal }) })) {
    client.throwIfFailed();
    if (progress.turnId === null) progress.turnId = turnOf(event, turn.messageId);
    if (progress.turnId === null || (event.context.turn_id ?? progress.turnId) !== progress.turnId) continue;
    turn.onEvent?.(event);
    const text = event.type === 'output.message.completed' ? output.complete(event.data.message.id, textOf(event)) : output.add(event);
    if (text !== null) turn.onText?.(text);
    const thought = thinking.add(event);
    if (thought !== null) turn.onThinking?.(thought);
    client.take(event);
    const result = resultOf(event, progress);
    if (result !== null) return result;
  }
  throw new Error('A stream of events ends only by an error.');
}

function turnOf(event: SessionEvent, messageId: string | null): string | null {
  const turnId = event.context.turn_id ?? null;
  if (messageId === null) return event.type === 'turn.started' ? turnId : null;
  if (event.type === 'input.message' && event.data.message.id === messageId && turnId !== null) return turnId;
  return event.type === 'turn.started' && event.data.input_message_id === messageId ? event.data.turn_id : null;
}

function textOf({ data }: SessionEventOf<'output.message.completed'>): string {
  return data.message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
}

function resultOf(event: SessionEvent, progress: Progress): TurnResult | null {
  if (event.type === 'output.message.completed') progress.text = textOf(event);
  if (!isEnd(event)) return null;
  const status = event.type.slice('turn.'.length) as TurnResult['status'];
  return { turnId: event.data.turn_id, status, text: progress.text, end: event.data };
}

const ENDS: ReadonlySet<string> = new Set(['turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed']);

function isEnd(
  event: SessionEvent,
): event is Extract<SessionEvent, { type: 'turn.completed' | 'turn.failed' | 'turn.cancelled' | 'turn.sealed' }> {
  return ENDS.has(event.type);
}

/** Answers calls and approvals while the events go on. What it cannot send ends the waiting. */
class TurnClient {
  readonly #api: Operations;
  readonly #turn: FollowedTurn;
  readonly #tools: ReadonlyMap<string, ClientTool>;
  readonly #answered: Set<string>;
  #failure: { error: unknown } | null = null;

  constructor(api: Operations, turn: FollowedTurn) {
    this.#api = api;
    this.#turn = turn;
    this.#tools = new Map((turn.tools ?? []).map((tool) => [tool.definition.name, tool]));
    this.#answered = new Set(turn.answered);
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  take(event: SessionEvent): void {
    if (event.type === 'tool.call_requested') this.#begin(event.data.tool_calls.map((call) => this.#runTool(call)));
    if (event.type === 'tool.approval_requested' && this.#turn.approve !== undefined)
      this.#begin([this.#decide(event.data.tool_summaries)]);
  }

  #begin(work: readonly Promise<void>[]): void {
    for (const each of work) each.catch((error: unknown) => (this.#failure ??= { error }));
  }

  async #runTool(call: ToolCall): Promise<void> {
    const tool = this.#tools.get(call.name);
    if (tool === undefined || this.#answered.has(call.id)) return;
    this.#answered.add(call.id);
    const { sessionId, signal } = this.#turn;
    const outcome = await tool.run(call.arguments, { sessionId, toolCallId: call.id, signal }).then(
      (result: unknown) => ({ result: result ?? null }),
      (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    await this.#api.post('/v1/sessions/{id}/tool-results', {
      params: { path: { id: sessionId } },
      headers: { [REPEATABLE]: '1' },
      body: { tool_results: [{ tool_call_id: call.id, ...outcome }] },
    });
  }

  async #decide(calls: readonly ApprovalCall[]): Promise<void> {
    const { approve, sessionId } = this.#turn;
    const decisions = await Promise.all(
      calls.map(async (call) => ({ tool_call_id: call.id, decision: (await approve?.(call)) ?? ('reject' as const) })),
    );
    await this.#api.post('/v1/sessions/{id}/tool-approvals', {
      params: { path: { id: sessionId } },
      headers: { [REPEATABLE]: '1' },
      body: { decisions },
    });
  }
}
