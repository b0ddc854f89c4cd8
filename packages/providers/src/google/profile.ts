import type { JSONObject } from '@ai-sdk/provider';
import type { ModelRequest } from '@everruns/agent/model';
import { asksForReasoning, type WireProfile } from '../sdk/wire-profile.ts';

/** Thought signatures are bound to the call or text that they came with; thoughts without one are not sent back. */
export const googleProfile: WireProfile = {
  providerType: 'google',
  namespace: 'google',
  reasoningReplay: 'signed',
  replayKeys: ['thoughtSignature'],
  fallbackMaxOutputTokens: 8192,
  callOptions: googleOptions,
};

function googleOptions(request: ModelRequest): JSONObject {
  return {
    ...(asksForReasoning(request) ? { thinkingConfig: { includeThoughts: true } } : {}),
    ...serviceTierOptions(request.speed),
    ...(request.promptCache?.geminiCachedContent === undefined ? {} : { cachedContent: request.promptCache.geminiCachedContent }),
  };
}

function serviceTierOptions(speed: ModelRequest['speed']): JSONObject {
  switch (speed) {
    case 'flex':
    case 'priority':
      return { serviceTier: speed };
    case 'default':
      return { serviceTier: 'standard' };
    case 'fast':
    case 'ultrafast':
    case undefined:
      return {};
  }
}
