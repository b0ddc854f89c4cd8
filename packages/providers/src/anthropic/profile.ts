import type { JSONObject, LanguageModelV4Message, LanguageModelV4Prompt } from '@ai-sdk/provider';
import { type AssistantPart, ModelError, type ModelRequest } from '@everruns/agent/model';
import type { WireProfile } from '../sdk/wire-profile.ts';

const CACHE_BREAKPOINT = { anthropic: { cacheControl: { type: 'ephemeral' } } };
/** The system prompt takes a third of the four breakpoints that a request may have, and covers the tools before it. */
const CACHED_MESSAGES = 2;

/**
 * Thinking blocks carry a signature, redacted ones an opaque blob; both must stand where they stood. A request may not end with the
 * model's own words. The prompt's stable prefix is marked for caching: a tool loop sends it again with every step.
 */
export const anthropicProfile: WireProfile = {
  providerType: 'anthropic',
  namespace: 'anthropic',
  reasoningReplay: 'signed',
  replayKeys: ['signature', 'redactedData', 'caller'],
  fallbackMaxOutputTokens: 16_384,
  callOptions: anthropicOptions,
  adaptAnswer: (parts) => parts.filter(isReplayable),
  adaptPrompt: (prompt) => withCacheBreakpoints(withAcceptedIds(refuseOpenAnswer(prompt))),
};

function anthropicOptions(request: ModelRequest): JSONObject {
  const userId = request.metadata?.['user_id'] ?? request.metadata?.['session_id'];
  return {
    ...(request.parallelToolCalls === undefined || request.tools.length === 0
      ? {}
      : { disableParallelToolUse: !request.parallelToolCalls }),
    ...(userId === undefined ? {} : { metadata: { userId } }),
    ...speedOptions(request.speed),
  };
}

function speedOptions(speed: ModelRequest['speed']): JSONObject {
  switch (speed) {
    case 'fast':
    case 'ultrafast':
      return { speed: 'fast' };
    case 'default':
      return { serviceTier: 'standard_only' };
    case 'priority':
      return { serviceTier: 'auto' };
    case 'flex':
    case undefined:
      return {};
  }
}

function isReplayable(part: AssistantPart): boolean {
  return part.type !== 'reasoning' || part.replay?.['signature'] !== undefined || part.replay?.['redactedData'] !== undefined;
}

function refuseOpenAnswer(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  if (prompt.at(-1)?.role === 'assistant') throw new ModelError('invalid_request', 'The request ends with an answer of the model.');
  return prompt;
}

/** Ids from another provider may hold characters that are refused here; calls and results change alike. */
function withAcceptedIds(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  const accepted = <P extends { type: string }>(part: P): P => {
    const id = (part as { toolCallId?: string }).toolCallId;
    return id === undefined ? part : { ...part, toolCallId: id.replaceAll(/[^\w-]/g, '_') };
  };
  return prompt.map((message) => {
    switch (message.role) {
      case 'assistant':
        return { ...message, content: message.content.map(accepted) };
      case 'tool':
        return { ...message, content: message.content.map(accepted) };
      case 'system':
      case 'user':
        return message;
    }
  });
}

function withCacheBreakpoints(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  const inputs = prompt.filter((message) => message.role === 'user' || message.role === 'tool').slice(-CACHED_MESSAGES);
  const marked = new Set<LanguageModelV4Message>([...prompt.filter((message) => message.role === 'system'), ...inputs]);
  return prompt.map((message) => (marked.has(message) ? { ...message, providerOptions: CACHE_BREAKPOINT } : message));
}
