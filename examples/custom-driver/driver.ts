import { type ChatModel, ModelError, type ModelPart, type ModelRequest } from '@everruns/agent/model';
import { defineDriver } from '@everruns/providers';

/** A model that answers in capitals. A real driver would call its provider here, once, and report failures as `ModelError`. */
export const driver = defineDriver({
  id: 'shout',
  create(endpoint): ChatModel {
    if (endpoint.model !== 'loud') throw new ModelError('misconfigured', `"${endpoint.model}" is not a model of this driver.`);
    return { stream: shout };
  },
});

async function* shout(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
  const answer = lastWordsOf(request).toUpperCase();
  yield { type: 'response', model: 'loud' };
  for (const delta of answer.match(/\S+\s*/g) ?? []) {
    signal.throwIfAborted();
    yield { type: 'text', delta };
  }
  yield { type: 'text_end' };
  yield { type: 'finish', reason: 'stop', usage: { inputTokens: answer.length, outputTokens: answer.length } };
}

function lastWordsOf({ messages }: ModelRequest): string {
  const last = messages.findLast((message) => message.role === 'user');
  return last?.content.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';
}
