import type { JSONObject } from '@ai-sdk/provider';
import type { ModelRequest } from '@everruns/agent/model';
import { asksForReasoning } from '../sdk/wire-profile.ts';

export const OPENAI_ADDRESS = { origin: 'https://api.openai.com', path: '/v1' };

/** Settings that OpenAI's two protocols share. A model that the SDK does not know is a reasoning model when effort is asked of it. */
export function openaiSettings(request: ModelRequest): JSONObject {
  const cacheKey = request.metadata?.['session_id'];
  return {
    ...(request.parallelToolCalls === undefined || request.tools.length === 0 ? {} : { parallelToolCalls: request.parallelToolCalls }),
    ...(request.verbosity === undefined ? {} : { textVerbosity: request.verbosity }),
    ...(request.speed === undefined ? {} : { serviceTier: request.speed }),
    ...(cacheKey === undefined ? {} : { promptCacheKey: cacheKey }),
    ...(asksForReasoning(request) ? { forceReasoning: true } : {}),
  };
}
