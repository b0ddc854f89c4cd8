import type { JSONObject } from '@ai-sdk/provider';
import type { ModelRequest } from '@everruns/agent/model';
import { openaiSettings } from '../openai/settings.ts';
import { withoutLookArounds } from '../sdk/tool-schema.ts';
import type { WireProfile } from '../sdk/wire-profile.ts';

/** OpenAI's own Chat Completions: the wire shows no reasoning and takes none back. */
export const officialProfile: WireProfile = {
  providerType: 'openai_completions',
  namespace: 'openai',
  reasoningReplay: 'never',
  replayKeys: [],
  // Metadata is absent on purpose: this endpoint refuses it for answers that it does not store.
  callOptions: (request) => ({ ...openaiSettings(request), store: false }),
  adaptSchema: withoutLookArounds,
};

/**
 * Any server that speaks Chat Completions. `reasoning_content` goes back within the turn that it belongs to: models that think between
 * tool calls need it there, and some refuse it in later turns. Gemini behind this protocol binds signatures to calls.
 */
export const compatibleProfile: WireProfile = {
  providerType: 'openai_completions',
  namespace: 'compatible',
  reasoningReplay: 'current_turn',
  replayKeys: ['thoughtSignature'],
  callOptions: compatibleOptions,
};

/** The SDK passes settings that it does not know to the body as they are. */
function compatibleOptions(request: ModelRequest): JSONObject {
  return {
    ...(request.parallelToolCalls === undefined || request.tools.length === 0 ? {} : { parallel_tool_calls: request.parallelToolCalls }),
    ...(request.verbosity === undefined ? {} : { textVerbosity: request.verbosity }),
    ...(request.speed === undefined ? {} : { service_tier: request.speed }),
  };
}
