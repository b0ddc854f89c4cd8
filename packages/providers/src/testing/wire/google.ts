import type { Json } from '@everruns/agent/model';
import { DEFAULT_USAGE, piecesOf, stateOf, type WireFrame, type WireIds, type WireReply, type WireUsage } from './reply.ts';

const FINISH_REASONS = { stop: 'STOP', length: 'MAX_TOKENS', content_filter: 'SAFETY' } as const;

/** Chunks of a streamed Gemini answer. The thought signature stands on the first call, or on the last text. */
export function googleFrames(reply: WireReply, ids: WireIds): WireFrame[] {
  const isMalformed = reply.toolCalls?.some((call) => call.rawArguments !== undefined) ?? false;
  const reason = isMalformed ? 'MALFORMED_FUNCTION_CALL' : FINISH_REASONS[reply.finish ?? 'stop'];
  const parts = isMalformed ? [] : partsOf(reply, ids);
  const chunk = (content: Json[], rest: Record<string, Json> = {}): Json => ({
    candidates: [{ content: { role: 'model', parts: content }, index: 0, ...rest }],
    modelVersion: ids.model,
    responseId: ids.response,
    usageMetadata: googleUsage(reply.usage),
  });
  return [
    ...parts.map((part) => ({ data: chunk([part]), isOutput: true })),
    { data: chunk([{ text: '' }], { finishReason: reason }), isOutput: false },
  ];
}

function partsOf(reply: WireReply, ids: WireIds): Json[] {
  const signature = reply.thinking === undefined ? {} : { thoughtSignature: stateOf(reply.thinking, ids) };
  const calls = reply.toolCalls ?? [];
  const texts = piecesOf(reply.text ?? '');
  const signedText = calls.length === 0 ? texts.length - 1 : -1;
  return [
    ...piecesOf(reply.thinking?.text ?? '').map((text) => ({ text, thought: true })),
    ...texts.map((text, position) => ({ text, ...(position === signedText ? signature : {}) })),
    ...calls.map((call, position) => ({
      functionCall: { ...(call.id === undefined ? {} : { id: call.id }), name: call.name, args: call.arguments ?? {} },
      ...(position === 0 ? signature : {}),
    })),
  ];
}

function googleUsage(usage: WireUsage = DEFAULT_USAGE): Json {
  const reasoning = usage.reasoningTokens ?? 0;
  return {
    promptTokenCount: usage.inputTokens,
    candidatesTokenCount: usage.outputTokens - reasoning,
    thoughtsTokenCount: reasoning,
    cachedContentTokenCount: usage.cacheReadTokens ?? 0,
    totalTokenCount: usage.inputTokens + usage.outputTokens,
  };
}
