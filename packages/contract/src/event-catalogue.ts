import { z } from 'zod';
import { SessionTask, TaskMessage } from './api/tasks.ts';
import type { EventContext, EventType } from './events.ts';
import { ERROR_DISCLOSURES, Message, TokenUsage, ToolCall } from './messages.ts';

/**
 * What each event carries (contract 3.3): one table from which clients have their types and the reference its pages. Everything that the
 * product writes fits it exactly; clients must expect further types and further members, because later versions have them.
 */

const ModelMetadata = z.object({ model: z.string(), model_id: z.string().optional(), provider_id: z.string().optional() });
const ToolCallSummary = z.object({
  id: z.string(),
  name: z.string(),
  display_name: z.string().optional(),
  narration: z.string().optional().describe('What the call does, while it does it'),
  completed_narration: z.string().optional(),
});
const ToolSummary = z.object({
  name: z.string(),
  description: z.string(),
  display_name: z.string().optional(),
  category: z.string().optional(),
  capability_id: z.string().optional(),
  capability_name: z.string().optional(),
});
const duration = z.int().describe('Milliseconds');
const turn_id = z.string();
const Failure = {
  error_code: z.string().optional(),
  error_fields: z.record(z.string(), z.unknown()).optional(),
  error_disclosure: z.enum(ERROR_DISCLOSURES).optional(),
};
const ToolRef = { tool_call_id: z.string(), tool_name: z.string() };
const Delta = {
  delta: z.string(),
  offset: z.int().describe('Where the delta begins in the whole text, in UTF-16 units; 0 begins anew'),
  attempt: z.int().optional(),
};
const BudgetEvent = z.object({
  budget_id: z.string(),
  turn_id: turn_id.optional(),
  currency: z.string(),
  limit: z.number(),
  balance: z.number(),
  soft_limit: z.number().optional(),
  message: z.string().optional(),
  error_code: z.string().optional(),
});
const Compaction = {
  reason: z.enum(['proactive_budget', 'request_too_large', 'manual']),
  trigger: z.string().optional(),
  strategy: z.string().optional(),
  model: z.string().optional(),
  provider: z.string().optional(),
};

export interface EventSpec {
  /** When it is written. */
  about: string;
  data: z.ZodType;
}

export const EVENT_CATALOGUE = {
  'input.message': { about: 'A message of a user was stored.', data: z.object({ message: Message }) },
  'output.message.started': {
    about: 'The model begins to answer. Another one for the same turn and iteration discards the text before it.',
    data: z.object({ turn_id, message_id: z.string(), iteration: z.int().optional(), model: z.string().optional() }),
  },
  'output.message.delta': {
    about: 'More text of an answer, as it comes in.',
    data: z.object({ turn_id, message_id: z.string().optional(), accumulated: z.string().optional(), ...Delta }),
  },
  'output.message.completed': {
    about: 'A whole message of the agent, with the calls that it makes; also the text that tells a failure.',
    data: z.object({
      message: Message,
      metadata: ModelMetadata.partial()
        .extend({ interrupted: z.boolean().optional().describe('The text ends where a cancel cut it') })
        .optional(),
      usage: TokenUsage.optional(),
      messages_through_sequence: z.int().optional().describe('The last event that the model had read'),
      ...Failure,
    }),
  },
  'output.message.replaced': {
    about: 'A guardrail withdrew what had been shown.',
    data: z.object({
      turn_id,
      message_id: z.string(),
      guardrail_id: z.string(),
      guardrail_capability_id: z.string(),
      reason_code: z.string(),
      replacement: z.string(),
    }),
  },
  'turn.started': {
    about: 'Work on a message begins.',
    data: z.object({ turn_id, input_message_id: z.string(), input_content: z.string().optional(), agent_id: z.string().optional() }),
  },
  'turn.completed': {
    about: 'A turn ended well.',
    data: z.object({
      turn_id,
      status: z.string().optional(),
      iterations: z.int(),
      duration_ms: duration.optional(),
      usage: TokenUsage.optional(),
      input_content: z.string().optional(),
      final_message_id: z.string().optional(),
      final_answer_preview: z.string().optional(),
      time_to_first_token_ms: duration.optional(),
      tool_call_count: z.int().optional(),
      llm_call_count: z.int().optional(),
      stop_reason: z.string().optional(),
    }),
  },
  'turn.failed': { about: 'A turn could not go on.', data: z.object({ turn_id, error: z.string(), ...Failure }) },
  'turn.sealed': {
    about: 'A turn was stopped because it made no progress.',
    data: z.object({
      turn_id,
      reason: z.string(),
      detail: z.string().optional(),
      iterations: z.int().optional(),
      usage: TokenUsage.optional(),
    }),
  },
  'turn.cancelled': {
    about: 'A turn was cancelled.',
    data: z.object({ turn_id, reason: z.string().optional(), usage: TokenUsage.optional() }),
  },
  'reason.started': {
    about: 'A call of the model begins.',
    data: z.object({
      harness_id: z.string(),
      agent_id: z.string().optional(),
      iteration: z.int(),
      attempt: z.int(),
      metadata: ModelMetadata.optional(),
    }),
  },
  'reason.completed': {
    about: 'A call of the model ended.',
    data: z.object({
      success: z.boolean(),
      has_tool_calls: z.boolean(),
      tool_call_count: z.int(),
      text_preview: z.string().optional(),
      error: z.string().optional(),
      duration_ms: duration.optional(),
      time_to_first_token_ms: duration.optional(),
      usage: TokenUsage.optional(),
      response_id: z.string().optional(),
      response_model: z.string().optional(),
      finish_reasons: z.array(z.string()).optional(),
      fallback_for: ModelMetadata.extend({ provider_type: z.string().optional() }).optional().describe('The model that could not be asked'),
    }),
  },
  'reason.recovered': {
    about: 'A call of the model begins again: its worker was lost, or it had to wait for a budget or a provider.',
    data: z.object({ turn_id, mode: z.enum(['finalize', 'restart']), accumulated_len: z.int(), attempt: z.int().optional() }),
  },
  'reason.thinking.started': { about: 'The model begins to think.', data: z.object({ turn_id, model: z.string().optional() }) },
  'reason.thinking.delta': {
    about: 'More of what the model thinks, as it comes in.',
    data: z.object({ turn_id, message_id: z.string().optional(), accumulated: z.string().optional(), ...Delta }),
  },
  'reason.thinking.completed': { about: 'All that the model thought.', data: z.object({ turn_id, thinking: z.string() }) },
  'reason.item': {
    about: 'An item of reasoning that the vendor keeps to itself, with its summary.',
    data: z.object({
      turn_id,
      provider: z.string(),
      item_id: z.string(),
      model: z.string().optional(),
      summary: z.array(z.string()).optional(),
      token_count: z.int().optional(),
    }),
  },
  'llm.generation': {
    about: 'A call of the model for observers: what it was offered, what it answered, what it cost.',
    data: z.object({
      messages: z.array(Message).describe('Empty unless asked for by `types` or `expand`'),
      messages_through_sequence: z.int().optional(),
      prompt_hash: z.string().optional(),
      purpose: z.string().optional().describe('Other than the answer itself, such as `compaction`'),
      tools: z.array(ToolSummary).optional(),
      output: z.object({ text: z.string().optional(), tool_calls: z.array(ToolCall).optional() }),
      metadata: z.looseObject({ model: z.string(), success: z.boolean(), usage: TokenUsage.optional() }),
    }),
  },
  'act.started': {
    about: 'The calls of an answer begin.',
    data: z.object({ tool_calls: z.array(ToolCallSummary), headline: z.string().optional() }),
  },
  'act.completed': {
    about: 'All calls of an answer have ended.',
    data: z.object({
      completed: z.boolean(),
      success_count: z.int(),
      error_count: z.int(),
      duration_ms: duration.optional(),
      headline: z.string().optional(),
    }),
  },
  'tool.started': {
    about: 'A call begins; with a higher `attempt` it begins again.',
    data: z.object({
      tool_call: ToolCall,
      attempt: z.int().optional(),
      display_name: z.string().optional(),
      narration: z.string().optional(),
      tool_call_fingerprint: z.string().optional(),
    }),
  },
  'tool.progress': {
    about: 'A call tells how far it is.',
    data: z.object({ ...ToolRef, message: z.string(), display_name: z.string().optional() }),
  },
  'tool.output.delta': {
    about: 'What a call prints, as it prints it.',
    data: z.object({ ...ToolRef, stream: z.string().describe('`stdout`, `stderr` or another one'), ...Delta }),
  },
  'tool.completed': {
    about: 'A call ended.',
    data: z.object({
      ...ToolRef,
      success: z.boolean(),
      status: z.enum(['success', 'error', 'timeout', 'cancelled']),
      result: z.array(z.unknown()).optional().describe('Content parts'),
      error: z.string().optional(),
      duration_ms: duration.optional(),
      display_name: z.string().optional(),
      narration: z.string().optional(),
      capability_id: z.string().optional(),
      capability_name: z.string().optional(),
      executed_arguments: z.unknown().optional().describe('What it ran with, when that is not what the model had written'),
      executed_arguments_truncated: z.boolean().optional(),
      tool_call_fingerprint: z.string().optional(),
      tool_result_fingerprint: z.string().optional(),
    }),
  },
  'tool.call_requested': {
    about: 'Calls or questions that a client has to answer.',
    data: z.object({
      tool_calls: z.array(ToolCall),
      tool_summaries: z.array(ToolCallSummary).optional(),
      headline: z.string().optional(),
      completed_headline: z.string().optional(),
    }),
  },
  'tool.approval_requested': {
    about: 'Calls that wait for a decision.',
    data: z.object({
      tool_calls: z.array(ToolCall),
      tool_summaries: z.array(
        ToolCallSummary.extend({
          reason: z.string().optional(),
          memorable: z.boolean().optional().describe('A decision for the whole session is possible'),
        }),
      ),
      timeout_seconds: z.number().describe('After which they are refused'),
    }),
  },
  'tool.approval_resolved': {
    about: 'A decision about a call.',
    data: z.object({
      ...ToolRef,
      outcome: z.enum(['approved', 'rejected', 'expired']),
      decision: z.string(),
      reason: z.string().optional(),
      display_name: z.string().optional(),
    }),
  },
  'tool.call_repaired': {
    about: 'A call that could not be read was mended, or given up.',
    data: z.object({ turn_id, ...ToolRef, outcome: z.string() }),
  },
  'tool.hosted_call': {
    about: 'A call that the vendor of the model ran itself.',
    data: z.object({ turn_id, call_id: z.string(), tool_name: z.string(), status: z.string(), summary: z.string().optional() }),
  },
  'transcript.repaired': {
    about: 'A call without a result got one, so that the model could go on.',
    data: z.object({ tool_call_id: z.string(), tool_name: z.string().optional(), action: z.enum(['replay', 'synthesize']) }),
  },
  'capability.usage': {
    about: 'What capabilities did beside tools.',
    data: z.object({
      records: z.array(
        z.looseObject({
          capability_id: z.string(),
          usage_kind: z.string(),
          capability_name: z.string().optional(),
          tool_name: z.string().optional(),
          usage_count: z.int().optional(),
          duration_ms: duration.optional(),
        }),
      ),
    }),
  },
  'session.started': {
    about: 'The session was made; always its first event.',
    data: z.object({
      harness_id: z.string(),
      agent_id: z.string().optional(),
      model_id: z.string().optional(),
      forked_from_session_id: z.string().optional(),
      forked_from_sequence: z.int().optional(),
    }),
  },
  'session.activated': { about: 'The session has work.', data: z.object({ turn_id, input_message_id: z.string() }) },
  'session.idled': {
    about: 'Nothing runs any more; the usage is that of the whole session.',
    data: z.object({ turn_id, iterations: z.int().optional(), usage: TokenUsage.optional() }),
  },
  'session.title.updated': {
    about: 'The session has another title.',
    data: z.object({ title: z.string(), previous_title: z.string().nullable() }),
  },
  'session.model.changed': {
    about: 'A message asked for another model.',
    data: z.object({
      model_id: z.string(),
      model_name: z.string(),
      previous_model_id: z.string().optional(),
      previous_model_name: z.string().optional(),
    }),
  },
  'context.compacting': {
    about: 'The prompt gets too long and is being made shorter.',
    data: z.object({
      ...Compaction,
      messages_before: z.int(),
      tokens_before: z.int().optional(),
      bytes_before: z.int().optional(),
      budget_remaining_tokens: z.int().optional(),
    }),
  },
  'context.compacted': {
    about: 'The prompt was made shorter.',
    data: z.object({
      ...Compaction,
      strategy_used: z.string(),
      messages_before: z.int(),
      messages_after: z.int(),
      messages_hidden: z.int().optional(),
      duration_ms: duration,
      steps: z.array(z.object({ strategy: z.string(), messages_after: z.int(), duration_ms: duration })).optional(),
      checkpoint_id: z.string().optional(),
      checkpoint_bytes: z.int().optional(),
      tokens_before: z.int().optional(),
      tokens_after: z.int().optional(),
      source_sequence: z.int().optional(),
    }),
  },
  'context.compaction.skipped': {
    about: 'The prompt was left as it is.',
    data: z.object({ ...Compaction, skip_reason: z.string(), tokens_observed: z.int().optional(), messages_observed: z.int().optional() }),
  },
  'context.compaction.failed': {
    about: 'The prompt could not be made shorter.',
    data: z.object({
      ...Compaction,
      stage: z.string(),
      error: z.string(),
      tokens_before: z.int().optional(),
      messages_before: z.int().optional(),
      checkpoint_id: z.string().optional(),
    }),
  },
  'file.written': {
    about: 'A tool wrote a file of the session.',
    data: z.object({ path: z.string(), operation: z.string(), size_bytes: z.int(), created: z.boolean() }),
  },
  'budget.warning': { about: 'Little is left of a budget.', data: BudgetEvent },
  'budget.paused': { about: 'The turn waits: a budget is paused, or at its soft limit.', data: BudgetEvent },
  'budget.exhausted': { about: 'The turn waits: what comes next does not fit in a budget.', data: BudgetEvent },
  'budget.resumed': { about: 'There is room in the budget again, the turn goes on.', data: BudgetEvent },
  'schedule.triggered': {
    about: 'A schedule sent its message.',
    data: z.object({
      schedule_id: z.string(),
      message_id: z.string().optional(),
      prompt: z.string(),
      scheduled_at: z.string().optional(),
      next_trigger_at: z.string().optional(),
    }),
  },
  'task.created': { about: 'Work beside the conversation begins.', data: z.object({ task: SessionTask }) },
  'task.updated': { about: 'Work beside the conversation has changed.', data: z.object({ task: SessionTask }) },
  'task.message.sent': { about: 'The session told a task something.', data: z.object({ task_id: z.string(), message: TaskMessage }) },
  'task.message.received': { about: 'A task told the session something.', data: z.object({ task_id: z.string(), message: TaskMessage }) },
} as const satisfies Record<EventType, EventSpec>;

/** What an event of this type carries. */
export type EventData<T extends EventType> = z.infer<(typeof EVENT_CATALOGUE)[T]['data']>;

interface Envelope<T extends EventType> {
  /** Also a cursor to resume from, for every event. */
  id: string;
  type: T;
  ts: string;
  session_id: string;
  context: EventContext;
  data: EventData<T>;
  /** From 1, without gaps; none on deltas, which are shown and not stored. */
  sequence?: number;
  metadata?: unknown;
  tags?: string[];
}

/** An event of a session, told apart by `type`. */
export type SessionEvent = { [T in EventType]: Envelope<T> }[EventType];
export type SessionEventOf<T extends EventType> = Envelope<T>;
