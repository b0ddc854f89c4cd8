import { type Json, ModelError, type ModelErrorKind } from '@everruns/agent/model';
import { z } from 'zod';

const ERROR_KINDS = [
  'misconfigured',
  'authentication',
  'quota',
  'usage_limit',
  'rate_limited',
  'unavailable',
  'timeout',
  'stalled',
  'cut',
  'invalid_request',
  'invalid_tool_schema',
  'invalid_response',
  'request_too_large',
  'model_unavailable',
  'other',
] as const satisfies readonly ModelErrorKind[];

const milliseconds = z.number().int().min(0).max(3_600_000);

const toolCall = z.strictObject({
  id: z.string().optional(),
  name: z.string(),
  arguments: z.json().default({}),
  /** What the model wrote instead of JSON. */
  raw_arguments: z.string().optional(),
});

/** Played in this order: delay, thinking, text, then one of cut, error, stall, or tool calls and the end. */
const turn = z.strictObject({
  delay_ms: milliseconds.optional(),
  /** Between two words. */
  chunk_delay_ms: milliseconds.optional(),
  thinking: z.string().optional(),
  text: z.string().optional(),
  /** Break off after so many words. */
  cut_after: z.number().int().min(0).optional(),
  error: z.enum(ERROR_KINDS).optional(),
  /** Only the first calls in this process fail; without it the turn always does. */
  error_times: z.number().int().min(1).optional(),
  retry_after_ms: milliseconds.optional(),
  stall: z.boolean().optional(),
  tool_calls: z.array(toolCall).optional(),
  finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'error', 'other']).optional(),
  usage: z
    .strictObject({
      input_tokens: z.number().int().min(0),
      output_tokens: z.number().int().min(0),
      cache_read_tokens: z.number().int().min(0).optional(),
      cache_creation_tokens: z.number().int().min(0).optional(),
      reasoning_tokens: z.number().int().min(0).optional(),
    })
    .optional(),
});

const script = z.strictObject({
  turns: z.array(turn).min(1),
  on_exhausted: z.enum(['repeat_last', 'loop', 'error']).default('repeat_last'),
});

/** `none`, the same calls for every user message, one set per step, or by what the user says. */
const toolCalls = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('none') }),
  z.strictObject({ mode: z.literal('fixed'), calls: z.array(toolCall).min(1) }),
  z.strictObject({ mode: z.literal('sequence'), steps: z.array(z.array(toolCall)).min(1) }),
  z.strictObject({ mode: z.literal('conditional'), when: z.array(z.strictObject({ contains: z.string(), calls: z.array(toolCall) })) }),
]);

const config = z.object({
  sim: z.enum(['default', 'fixed', 'echo', 'lorem', 'sequence', 'script', 'empty', 'error', 'model_not_available']).optional(),
  /** `fixed` */
  text: z.string().optional(),
  /** `echo` */
  prefix: z.string().optional(),
  /** `lorem` */
  tokens: z.number().int().min(1).max(100_000).optional(),
  /** `sequence` */
  responses: z.array(z.string()).min(1).optional(),
  /** `script` */
  script: script.optional(),
  /** `error` */
  error: z.enum(ERROR_KINDS).optional(),
  tool_calls: toolCalls.optional(),
  latency: z.strictObject({ ttft_ms: milliseconds.optional(), chunk_ms: milliseconds.optional() }).optional(),
  stall: z.boolean().optional(),
  response_id: z.string().optional(),
});

export type SimToolCall = z.infer<typeof toolCall>;
export type SimTurn = z.infer<typeof turn>;
export type SimScript = z.infer<typeof script>;
export type SimConfig = z.infer<typeof config>;

/** Options of the provider row; keys of other drivers are ignored. Throws `misconfigured`. */
export function parseSimConfig(options: Record<string, Json> | undefined): SimConfig {
  const parsed = config.safeParse(options ?? {});
  if (!parsed.success) throw new ModelError('misconfigured', `The options of llmsim are not valid: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** A script out of a user message. Throws `invalid_request`: the writer of the message can mend it. */
export function parseSimScript(source: string): SimScript {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    throw new ModelError(
      'invalid_request',
      `The llmsim block is not valid JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const parsed = script.safeParse(value);
  if (!parsed.success) throw new ModelError('invalid_request', `The llmsim block is not a script: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
