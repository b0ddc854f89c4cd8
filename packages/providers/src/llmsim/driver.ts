import { setTimeout as delay } from 'node:timers/promises';
import type { ModelEndpoint, ModelPart, ModelRequest } from '@everruns/agent/model';
import { defineDriver, type ModelDriver } from '../driver.ts';
import { decideTurn } from './answer.ts';
import { parseSimConfig, type SimConfig, type SimTurn } from './config.ts';
import { playTurn, type Stage } from './play.ts';

export interface LlmsimOptions {
  wait?: Stage['wait'];
}

/** Pace of the `-latency` models. */
const REALISTIC = { ttftMs: 400, chunkMs: 25 };
/** Places whose failures are counted; older ones are forgotten. */
const MAX_COUNTED_PLACES = 1000;

/** A model in this process: no key, no network, no state beyond the counters of `error_times`. */
export function llmsimDriver({ wait = waitFor }: LlmsimOptions = {}): ModelDriver {
  return defineDriver({
    id: 'llmsim',
    create(endpoint) {
      const config = parseSimConfig(endpoint.options);
      const scene = {
        model: endpoint.model,
        responseId: config.response_id,
        latency: latencyOf(endpoint, config),
        wait,
        fails: countFailures(),
      };
      return { stream: (request, signal) => answer(config, request, { ...scene, signal }) };
    },
  });
}

async function* answer(config: SimConfig, request: ModelRequest, stage: Stage): AsyncGenerator<ModelPart> {
  stage.signal.throwIfAborted();
  try {
    yield* playTurn(decideTurn(stage.model, config, request), request, stage);
  } catch (error) {
    stage.signal.throwIfAborted();
    throw error;
  }
}

/** `-latency` and `-ttft-<ms>` in the model's name, then the options. */
function latencyOf({ model }: ModelEndpoint, { latency }: SimConfig): Stage['latency'] {
  const named = model.includes('-latency') ? REALISTIC : { ttftMs: 0, chunkMs: 0 };
  const ttft = /-ttft-(\d+)/.exec(model)?.[1];
  return { ttftMs: latency?.ttft_ms ?? (ttft === undefined ? named.ttftMs : Number(ttft)), chunkMs: latency?.chunk_ms ?? named.chunkMs };
}

function countFailures(): Stage['fails'] {
  const failures = new Map<string, number>();
  return (turn: SimTurn, place: string) => {
    if (turn.error_times === undefined) return true;
    const count = failures.get(place) ?? 0;
    if (count >= turn.error_times) return false;
    failures.delete(place);
    failures.set(place, count + 1);
    const oldest = failures.keys().next();
    if (failures.size > MAX_COUNTED_PLACES && oldest.done !== true) failures.delete(oldest.value);
    return true;
  };
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}
