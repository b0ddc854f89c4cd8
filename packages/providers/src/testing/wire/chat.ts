import type { Json } from '@everruns/agent/model';
import {
  argumentsOf,
  callIdOf,
  DEFAULT_USAGE,
  halvesOf,
  piecesOf,
  type WireFrame,
  type WireIds,
  type WireReply,
  type WireUsage,
} from './reply.ts';

/** Chunks of a streamed Chat Completions answer. */
export function chatFrames(reply: WireReply, ids: WireIds): WireFrame[] {
  const chunk = (delta: Json, rest: Record<string, Json> = {}): Json => ({
    id: ids.response,
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: ids.model,
    choices: [{ index: 0, delta, finish_reason: null, ...rest }],
  });
  const calls = reply.toolCalls ?? [];
  const output: Json[] = [
    ...piecesOf(reply.thinking?.text ?? '').map((text) => ({ reasoning_content: text })),
    ...piecesOf(reply.text ?? '').map((text) => ({ content: text })),
    ...calls.flatMap((call, index): Json[] => [
      { tool_calls: [{ index, id: callIdOf(call, index, ids), type: 'function', function: { name: call.name, arguments: '' } }] },
      ...halvesOf(argumentsOf(call)).map((half) => ({ tool_calls: [{ index, function: { arguments: half } }] })),
    ]),
  ];
  const reason = reply.finish ?? (calls.length > 0 ? 'tool_calls' : 'stop');
  return [
    { data: chunk({ role: 'assistant', content: '' }), isOutput: false },
    ...output.map((delta) => ({ data: chunk(delta), isOutput: true })),
    { data: chunk({}, { finish_reason: reason }), isOutput: false },
    { data: { id: ids.response, model: ids.model, created: 1_700_000_000, choices: [], usage: chatUsage(reply.usage) }, isOutput: false },
  ];
}

function chatUsage(usage: WireUsage = DEFAULT_USAGE): Json {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cacheReadTokens ?? 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
  };
}
