import { toPublicId } from '@everruns/contract';
import type { DurableEventType, EventContext, PlannedCall, ReasonOutcome, StepIds, ToolOutcome, Uuid } from '@everruns/contract';
import type { EventDraft } from '../plan.ts';
import { iterationsOf } from './state.ts';
import type { BatchCall, StepRef, TurnState } from './state.ts';
import { executedArguments, writtenArguments } from './executed-arguments.ts';

/** Payloads and contexts of the session events that decisions write (contract 3.3). */

export interface Clocked {
  nowMs: number;
}

/** The last 16 hex digits of an id as a span id: a started/completed pair names the same one without storing it. */
export function spanOf(id: Uuid): string {
  return id.replaceAll('-', '').slice(16);
}

/** Messages' thinking gets a span of its own, from the other half of the message id. */
export function thinkingSpanOf(messageId: Uuid): string {
  return messageId.replaceAll('-', '').slice(0, 16);
}

export function turnContext(state: TurnState): EventContext {
  const turn = toPublicId('turn', state.turn_id);
  return { turn_id: turn, input_message_id: state.input_message_id, trace_id: turn, span_id: spanOf(state.turn_id) };
}

export function execContext(state: TurnState, execId: Uuid): EventContext {
  return { ...turnContext(state), exec_id: toPublicId('exec', execId), span_id: spanOf(execId), parent_span_id: spanOf(state.turn_id) };
}

export function callContext(state: TurnState, call: BatchCall): EventContext {
  const execId = state.act?.exec_id ?? state.step.exec_id;
  return { ...execContext(state, execId), span_id: call.span, parent_span_id: spanOf(execId) };
}

/** Context of an event that a running step writes by itself. */
export function inStepContext(state: TurnState, type: DurableEventType): EventContext {
  const context = execContext(state, state.step.exec_id);
  const parent = spanOf(state.step.exec_id);
  if (type.startsWith('output.message')) return { ...context, span_id: spanOf(state.step.message_id), parent_span_id: parent };
  if (type.startsWith('reason.thinking')) return { ...context, span_id: thinkingSpanOf(state.step.message_id), parent_span_id: parent };
  return context;
}

export function stepIds(state: TurnState, at: { sessionId: Uuid; orgId: Uuid; execId: Uuid }): StepIds {
  return {
    session_id: toPublicId('session', at.sessionId),
    org_id: toPublicId('organization', at.orgId),
    turn_id: toPublicId('turn', state.turn_id),
    exec_id: toPublicId('exec', at.execId),
    input_message_id: state.input_message_id,
  };
}

export function draft(type: DurableEventType, context: EventContext, data: Record<string, unknown>): EventDraft {
  return { type, context, data };
}

export function inStepEvents(state: TurnState, events: readonly { type: DurableEventType; data: Record<string, unknown> }[]): EventDraft[] {
  return events.map((event) => draft(event.type, inStepContext(state, event.type), event.data));
}

const PREVIEW = 200;
const FINAL_PREVIEW = 2_000;

export function finalPreview(text: string): string {
  return cutText(text, FINAL_PREVIEW);
}

/** The beginning of a text, at most so many UTF-16 units, never ending in half a character. */
export function cutText(text: string, units: number): string {
  if (text.length <= units) return text;
  const isHalf = /[\ud800-\udbff]/.test(text.charAt(units - 1));
  return text.slice(0, isHalf ? units - 1 : units);
}

export function reasonCompleted(state: TurnState, outcome: ReasonOutcome): EventDraft {
  return draft('reason.completed', execContext(state, state.step.exec_id), {
    success: outcome.success,
    has_tool_calls: outcome.calls.length > 0,
    tool_call_count: outcome.calls.length,
    ...(outcome.text === '' ? {} : { text_preview: cutText(outcome.text, PREVIEW) }),
    ...(outcome.error === undefined ? {} : { error: outcome.error.detail }),
    duration_ms: outcome.duration_ms,
    ...(outcome.usage === undefined ? {} : { usage: outcome.usage }),
    ...standIn(outcome),
    // What billing and observability need, committed here whatever becomes of llm.generation.
    ...(outcome.response_model === undefined ? {} : { response_model: outcome.response_model }),
    ...(outcome.response_id === undefined ? {} : { response_id: outcome.response_id }),
    ...(outcome.finish_reason === undefined ? {} : { finish_reasons: [outcome.finish_reason] }),
    ...(outcome.time_to_first_token_ms === undefined ? {} : { time_to_first_token_ms: outcome.time_to_first_token_ms }),
  });
}

/** The model that was passed over because the circuit of its provider was open. */
function standIn({ answered }: ReasonOutcome): Record<string, unknown> {
  return answered.model.fallback_for === undefined ? {} : { fallback_for: answered.model.fallback_for };
}

/** What the model was and how the call went; the prompt is named by range and hash and expanded when it is read. */
export function llmGeneration(state: TurnState, outcome: ReasonOutcome, model: ModelFacts): EventDraft {
  return draft('llm.generation', execContext(state, state.step.exec_id), {
    messages: [],
    // What a model is shown for a summary is not the conversation's prompt.
    ...(outcome.context?.again === undefined ? { messages_through_sequence: throughOf(model) } : { purpose: 'compaction' }),
    ...(outcome.prompt_hash === undefined ? {} : { prompt_hash: outcome.prompt_hash }),
    ...(outcome.tools === undefined || outcome.tools.length === 0 ? {} : { tools: outcome.tools }),
    output: {
      ...(outcome.text === '' ? {} : { text: outcome.text }),
      ...(outcome.calls.length === 0 ? {} : { tool_calls: outcome.calls.map(publicCall) }),
    },
    metadata: {
      model: outcome.response_model ?? model.model,
      success: outcome.success,
      provider: model.provider_type,
      ...standIn(outcome),
      ...(outcome.usage === undefined ? {} : { usage: outcome.usage }),
      duration_ms: outcome.duration_ms,
      ...(outcome.time_to_first_token_ms === undefined ? {} : { time_to_first_token_ms: outcome.time_to_first_token_ms }),
      ...(outcome.finish_reason === undefined ? {} : { finish_reasons: [outcome.finish_reason] }),
      ...(outcome.response_id === undefined ? {} : { response_id: outcome.response_id }),
      ...(outcome.error === undefined ? {} : { error: outcome.error.detail }),
      ...(outcome.retry === undefined ? {} : { retry: outcome.retry }),
      ...(outcome.context?.compaction === undefined ? {} : { compaction: outcome.context.compaction }),
      ...(outcome.request_options === undefined ? {} : { request_options: outcome.request_options }),
    },
  });
}

/** The model of a step as the control plane resolved it. */
export interface ModelFacts {
  model: string;
  model_id?: Uuid;
  provider_id?: Uuid;
  provider_type: string;
  /** Highest input sequence of the prompt, and the sequence of its newest message of any kind. */
  seen: number;
  through?: number;
}

export function agentMessage(state: TurnState, outcome: ReasonOutcome, at: Clocked & { model: ModelFacts }): EventDraft {
  const content: unknown[] = [];
  if (outcome.text !== '' || outcome.calls.length === 0) content.push({ type: 'text', text: outcome.text });
  for (const call of outcome.calls) content.push({ type: 'tool_call', ...publicCall(call) });
  const event = draft('output.message.completed', inStepContext(state, 'output.message.completed'), {
    message: {
      id: toPublicId('message', state.step.message_id),
      role: 'agent',
      content,
      created_at: new Date(at.nowMs).toISOString(),
      ...(outcome.phase === undefined ? {} : { phase: outcome.phase, phase_source: outcome.phase_source ?? 'derived' }),
      ...(outcome.thinking === undefined ? {} : { thinking: outcome.thinking }),
    },
    metadata: {
      model: at.model.model,
      ...(at.model.model_id === undefined ? {} : { model_id: at.model.model_id }),
      ...(at.model.provider_id === undefined ? {} : { provider_id: at.model.provider_id }),
    },
    ...(outcome.usage === undefined ? {} : { usage: outcome.usage }),
    messages_through_sequence: throughOf(at.model),
  });
  return outcome.replay === undefined ? event : { ...event, replay: outcome.replay };
}

/** What came later than this, the answer knew nothing of: in a prompt it stands behind it. */
function throughOf(model: ModelFacts): number {
  return model.through ?? model.seen;
}

/** A text of ours in the agent's voice: the user-facing words of a failure, a seal, a cancel. */
export function noticeMessage(
  state: TurnState,
  at: Clocked & { messageId: Uuid; text: string; code: string },
  extra: Record<string, unknown> = {},
): EventDraft {
  return draft(
    'output.message.completed',
    { ...execContext(state, state.step.exec_id), span_id: spanOf(at.messageId), parent_span_id: spanOf(state.step.exec_id) },
    {
      message: {
        id: toPublicId('message', at.messageId),
        role: 'agent',
        content: [{ type: 'text', text: at.text }],
        created_at: new Date(at.nowMs).toISOString(),
        phase: 'final_answer',
        phase_source: 'derived',
      },
      error_code: at.code,
      ...extra,
    },
  );
}

/** A call as its message shows it: what the model wrote, also where something else runs. */
export function publicCall(call: PlannedCall): { id: string; name: string; arguments: unknown } {
  return { id: call.id, name: call.name, arguments: writtenArguments(call) };
}

export function callSummary(call: PlannedCall): Record<string, unknown> {
  return {
    id: call.id,
    name: call.name,
    ...(call.display_name === undefined ? {} : { display_name: call.display_name }),
    ...(call.narration === undefined ? {} : { narration: call.narration }),
    ...(call.completed_narration === undefined ? {} : { completed_narration: call.completed_narration }),
  };
}

export interface ToolEnd {
  status: ToolOutcome['status'];
  result?: unknown;
  images?: ToolOutcome['images'];
  error?: string;
  duration_ms?: number;
  /** Stands for all of a result whose head is shown: kept with the call, in no event. */
  digest?: string;
}

/** `result` carries the value as a tool_result part, and images behind it, so that messages are a plain view over the log. */
export function toolCompleted(state: TurnState, call: BatchCall, plan: PlannedCall | null, end: ToolEnd): EventDraft {
  const success = end.status === 'success';
  return draft('tool.completed', callContext(state, call), {
    tool_call_id: call.id,
    tool_name: call.name,
    success,
    status: end.status,
    result: [
      {
        type: 'tool_result',
        tool_call_id: call.id,
        ...(end.result === undefined ? {} : { result: end.result }),
        ...(end.error === undefined ? {} : { error: end.error }),
      },
      ...(end.images ?? []).map(({ media_type, base64 }) => ({ type: 'image', media_type, base64 })),
    ],
    ...(end.error === undefined ? {} : { error: end.error }),
    ...(end.duration_ms === undefined ? {} : { duration_ms: end.duration_ms }),
    ...(call.display_name === undefined ? {} : { display_name: call.display_name }),
    ...(plan?.completed_narration === undefined ? {} : { narration: plan.completed_narration }),
    ...(plan === null ? {} : executedArguments(plan)),
    ...(plan?.capability === undefined ? {} : { capability_id: plan.capability.ref }),
    ...(plan?.capability?.name === undefined ? {} : { capability_name: plan.capability.name }),
  });
}

export function turnTotals(state: TurnState, nowMs: number): Record<string, unknown> {
  return {
    turn_id: toPublicId('turn', state.turn_id),
    iterations: iterationsOf(state),
    duration_ms: Math.max(0, nowMs - state.started_ms),
    usage: state.usage,
    tool_call_count: state.tool_call_count,
    llm_call_count: state.llm_call_count,
    ...(state.time_to_first_token_ms === undefined ? {} : { time_to_first_token_ms: state.time_to_first_token_ms }),
  };
}

export function idled(state: TurnState): EventDraft {
  return draft('session.idled', turnContext(state), { turn_id: toPublicId('turn', state.turn_id), iterations: iterationsOf(state) });
}

export function reasonStart(state: TurnState): { type: DurableEventType; data: Record<string, unknown> } {
  return {
    type: 'reason.started',
    data: {
      ...(state.harness_id === undefined ? {} : { harness_id: state.harness_id }),
      ...(state.agent_id === undefined ? {} : { agent_id: state.agent_id }),
      iteration: state.iteration,
    },
  };
}

export function reasonRestart(state: TurnState): { type: DurableEventType; data: Record<string, unknown> } {
  return { type: 'reason.recovered', data: { turn_id: toPublicId('turn', state.turn_id), mode: 'restart', accumulated_len: 0 } };
}

export type { StepRef };
