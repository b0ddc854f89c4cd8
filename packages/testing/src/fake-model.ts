import { sleep, type Clock } from '@everruns/agent/clock';
import type { ChatModel, ModelEndpoint, ModelPart, ModelRegistry, ModelRequest } from '@everruns/agent/model';

/** One thing that a scripted model does: give a part, wait, hang until aborted, or fail. */
export type ScriptStep = ModelPart | { waitMs: number } | 'hang' | Error;

export interface FakeModel extends ModelRegistry {
  /** What was asked, in order. */
  readonly requests: ModelRequest[];
  readonly endpoints: ModelEndpoint[];
}

/** Answers call after call from a script; a call beyond the script fails the test. */
export function createFakeModel(clock: Clock, script: readonly (readonly ScriptStep[])[]): FakeModel {
  const requests: ModelRequest[] = [];
  const endpoints: ModelEndpoint[] = [];
  const model: ChatModel = {
    stream(request, signal) {
      const steps = script[requests.length];
      // A snapshot: the caller may go on changing its own.
      requests.push(structuredClone(request));
      if (steps === undefined) throw new Error(`the script has ${script.length} calls, this is number ${requests.length}`);
      return play(steps, clock, signal);
    },
  };
  return {
    requests,
    endpoints,
    open(endpoint) {
      endpoints.push(endpoint);
      return model;
    },
  };
}

async function* play(steps: readonly ScriptStep[], clock: Clock, signal: AbortSignal): AsyncGenerator<ModelPart> {
  for (const step of steps) {
    signal.throwIfAborted();
    if (step instanceof Error) throw step;
    if (step === 'hang') await sleep(clock, 2 ** 31, signal);
    else if ('waitMs' in step) await sleep(clock, step.waitMs, signal);
    else yield step;
  }
}

/** The end of an answer, with token counts. */
export function finish(reason: 'stop' | 'tool_calls' | 'length' = 'stop', inputTokens = 10, outputTokens = 5): ModelPart {
  return { type: 'finish', reason, usage: { inputTokens, outputTokens } };
}

/** A whole answer of one text. */
export function says(text: string): ScriptStep[] {
  return [{ type: 'text', delta: text }, finish()];
}
