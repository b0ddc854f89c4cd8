import { ModelError, type ModelErrorDetails, type ModelPart, type ModelRequest, type ModelUsage } from '@everruns/agent/model';
import type { SimTurn } from './config.ts';
import { inputTokensOf, placeOf, tokensOf } from './request.ts';
import type { ScriptedTurn } from './script.ts';

export interface Stage {
  model: string;
  responseId: string | undefined;
  /** Milliseconds until the first word, and between two. */
  latency: { ttftMs: number; chunkMs: number };
  signal: AbortSignal;
  /** Rejects when the signal aborts. */
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Whether this turn's error still strikes. */
  fails: (turn: SimTurn, place: string) => boolean;
}

/** Streams a turn word by word. */
export async function* playTurn({ turn, index, anchor }: ScriptedTurn, request: ModelRequest, stage: Stage): AsyncGenerator<ModelPart> {
  const place = placeOf(request, anchor);
  const chunkMs = turn.chunk_delay_ms ?? stage.latency.chunkMs;
  await pause(turn.delay_ms ?? stage.latency.ttftMs, stage);
  const fault = faultOf(turn, stage.fails(turn, place));
  if (fault !== undefined && !hasOutput(turn)) throw fault;
  yield { type: 'response', id: stage.responseId ?? `sim_${place}`, model: stage.model };
  if (turn.thinking !== undefined) {
    yield* speak('reasoning', wordsOf(turn.thinking), { chunkMs, stage });
    yield { type: 'reasoning_end' };
  }
  if (turn.text !== undefined) {
    yield* speak('text', wordsOf(turn.text).slice(0, turn.cut_after), { chunkMs, stage });
    if (turn.cut_after === undefined) yield { type: 'text_end' };
  }
  if (fault !== undefined) throw fault;
  if (turn.stall === true) await stallUntilAborted(stage.signal);
  for (const [position, call] of (turn.tool_calls ?? []).entries()) {
    const id = call.id ?? `call_${index}_${position}_${place}`;
    yield { type: 'tool_call', id, name: call.name, arguments: call.raw_arguments ?? JSON.stringify(call.arguments) };
  }
  yield { type: 'finish', reason: turn.finish_reason ?? (turn.tool_calls?.length ? 'tool_calls' : 'stop'), usage: usageOf(turn, request) };
}

async function* speak(
  type: 'text' | 'reasoning',
  words: readonly string[],
  { chunkMs, stage }: { chunkMs: number; stage: Stage },
): AsyncGenerator<ModelPart> {
  for (const [position, delta] of words.entries()) {
    await pause(position === 0 ? 0 : chunkMs, stage);
    yield { type, delta };
  }
}

/** Words with the blanks that follow them: together they are the text. */
function wordsOf(text: string): string[] {
  return text.match(/\S+\s*|\s+/g) ?? [];
}

function hasOutput(turn: SimTurn): boolean {
  return (turn.text ?? '') !== '' || (turn.thinking ?? '') !== '' || turn.cut_after !== undefined;
}

function faultOf(turn: SimTurn, fails: boolean): ModelError | undefined {
  if (turn.cut_after !== undefined) return new ModelError('cut', 'llmsim broke off as its script says.');
  if (turn.error === undefined || !fails) return undefined;
  const details: ModelErrorDetails = turn.retry_after_ms === undefined ? {} : { retryAfterMs: turn.retry_after_ms };
  return new ModelError(turn.error, `llmsim failed as its script says: ${turn.error}`, details);
}

async function pause(ms: number, stage: Stage): Promise<void> {
  stage.signal.throwIfAborted();
  if (ms > 0) await stage.wait(ms, stage.signal);
}

function stallUntilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function usageOf(turn: SimTurn, request: ModelRequest): ModelUsage {
  if (turn.usage === undefined) {
    const reasoningTokens = tokensOf(turn.thinking ?? '');
    const calls = (turn.tool_calls ?? []).map((call) => call.name + (call.raw_arguments ?? JSON.stringify(call.arguments)));
    const outputTokens = tokensOf((turn.text ?? '') + calls.join('')) + reasoningTokens;
    return { inputTokens: inputTokensOf(request), outputTokens, ...(reasoningTokens > 0 ? { reasoningTokens } : {}) };
  }
  const { usage } = turn;
  return {
    inputTokens: usage.input_tokens,
    outputTokens: usage.output_tokens,
    ...(usage.cache_read_tokens === undefined ? {} : { cacheReadTokens: usage.cache_read_tokens }),
    ...(usage.cache_creation_tokens === undefined ? {} : { cacheCreationTokens: usage.cache_creation_tokens }),
    ...(usage.reasoning_tokens === undefined ? {} : { reasoningTokens: usage.reasoning_tokens }),
  };
}
