import { sleep, type Clock } from '../clock.ts';
import {
  ModelDetached,
  ModelError,
  type ChatModel,
  type ModelErrorKind,
  type ModelPart,
  type ModelRequest,
  type ReplayState,
} from '../model.ts';
import { present } from '../objects.ts';
import type { AnswerCollector } from './answer.ts';
import { modelRetryDelay } from './retry.ts';

export interface ModelCallDeps {
  clock: Clock;
  random: () => number;
  /** A call without a new part for this long is given up. */
  stallTimeoutMs: number;
  /** Stores how a later attempt re-attaches; the answer is read on only when that is durable. */
  checkpoint(resume: ReplayState): Promise<void>;
}

export interface ModelCall {
  model: ChatModel;
  request: Omit<ModelRequest, 'resume' | 'idempotencyKey'>;
  collector: AnswerCollector;
  /** Names what is asked, the same on every attempt of the task. */
  name: string;
  /** Where an earlier attempt of the task left a response that the provider keeps. */
  resume?: ReplayState;
  /** Finds out whether the provider is back: its troubles are not tried again. */
  isProbe?: boolean;
}

export interface ModelCallResult {
  /** Absent when the answer is complete. */
  error?: ModelError;
  /** Retries made, and the time spent waiting for them. */
  retry?: { attempts: number; total_wait_ms: number };
  /** The provider keeps the answer: another attempt would get all of it. */
  resumable: boolean;
}

/** Nobody wants the rest of this answer. */
class AnswerWithdrawn extends Error {
  override readonly name = 'AnswerWithdrawn';
}

/** What a provider says about a kept response that is gone; asking anew is all that is left. */
const RESUME_IS_GONE: ReadonlySet<ModelErrorKind> = new Set(['invalid_request', 'invalid_response', 'model_unavailable', 'other']);

/**
 * One answer of a model, with retries as long as nothing was produced. Rejects with the signal's reason when it aborts, and with whatever
 * a driver throws that is no ModelError.
 */
export async function callModel(call: ModelCall, deps: ModelCallDeps, signal: AbortSignal): Promise<ModelCallResult> {
  let { resume } = call;
  let firstFailureMs: number | undefined;
  let creations = 0;
  const retry = { attempts: 0, total_wait_ms: 0 };
  const result = (error?: ModelError): ModelCallResult => ({
    ...present({ error, retry: retry.attempts > 0 ? retry : undefined }),
    resumable: resume !== undefined,
  });
  for (;;) {
    const onPart = (part: ModelPart): Promise<void> | undefined => {
      call.collector.accept(part);
      if (call.collector.verdict !== null) throw new AnswerWithdrawn();
      if (part.type !== 'resumable') return undefined;
      resume = part.state;
      return deps.checkpoint(part.state);
    };
    const request: ModelRequest = { ...call.request, ...present({ resume }) };
    if (resume === undefined) request.idempotencyKey = `${call.name}:${creations++}`;
    try {
      await attempt({ model: call.model, request, onPart, isKept: () => resume !== undefined }, deps, signal);
      return result();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AnswerWithdrawn) return result();
      if (!(error instanceof ModelError)) throw error;
      if (call.collector.hasOutput) return result(error);
      if (request.resume !== undefined && RESUME_IS_GONE.has(error.kind)) {
        resume = undefined;
        continue;
      }
      firstFailureMs ??= deps.clock.nowMs();
      const elapsedMs = deps.clock.nowMs() - firstFailureMs;
      const isVerdict = call.isProbe === true && error.kind !== 'rate_limited';
      const delayMs = isVerdict ? null : modelRetryDelay({ error, retries: retry.attempts, elapsedMs }, deps.random);
      if (delayMs === null) return result(error);
      retry.attempts += 1;
      retry.total_wait_ms += delayMs;
      await sleep(deps.clock, delayMs, signal);
    }
  }
}

interface Attempt {
  model: ChatModel;
  request: ModelRequest;
  onPart: (part: ModelPart) => Promise<void> | undefined;
  /** Does the provider keep the response? Then letting go of the stream does not end it. */
  isKept: () => boolean;
}

async function attempt(call: Attempt, deps: ModelCallDeps, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const abort = new AbortController();
  const onAbort = () => abort.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let stall: ModelError | undefined;
  const watch = watchForStall(deps, () => {
    stall = new ModelError('stalled', `nothing was received for ${Math.round(deps.stallTimeoutMs / 1_000)} s`);
    abort.abort(call.isKept() ? new ModelDetached('stalled') : stall);
  });
  // A driver that ignores its signal must not hold up a cancel: the step goes on without it.
  const aborted = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error), { once: true });
  });
  const reading = read({ ...call, onPart: endingWith(call.onPart, abort) }, watch, abort.signal);
  try {
    await Promise.race([reading, aborted]);
  } catch (error) {
    reading.catch(() => undefined);
    throw stall ?? (abort.signal.aborted ? abort.signal.reason : error);
  } finally {
    watch.stop();
    signal.removeEventListener('abort', onAbort);
  }
}

/** An answer that nobody wants ends at the provider too, also where letting go of the stream would not end it. */
function endingWith(onPart: Attempt['onPart'], abort: AbortController): Attempt['onPart'] {
  return (part) => {
    try {
      return onPart(part);
    } catch (error) {
      abort.abort(error);
      throw error;
    }
  };
}

async function read({ model, request, onPart }: Attempt, watch: StallWatch, signal: AbortSignal): Promise<void> {
  let finished = false;
  for await (const part of model.stream(request, signal)) {
    signal.throwIfAborted();
    watch.touch();
    const stored = onPart(part);
    if (stored !== undefined) {
      watch.pause();
      await stored;
      watch.touch();
    }
    if (part.type !== 'finish') continue;
    if (part.reason === 'error') throw new ModelError('other', `the provider ended the answer with: ${part.rawReason ?? 'an error'}`);
    finished = true;
  }
  if (!finished) throw new ModelError('cut', 'the answer ended without its end');
}

interface StallWatch {
  /** Something came in. */
  touch(): void;
  /** Waiting for ourselves does not count, until the next touch. */
  pause(): void;
  stop(): void;
}

/** One timer at a time, re-armed when it fires: cheap for a stream with thousands of parts. */
function watchForStall({ clock, stallTimeoutMs }: ModelCallDeps, onStall: () => void): StallWatch {
  let lastMs = clock.nowMs();
  let paused = false;
  const check = () => {
    const idleMs = paused ? 0 : clock.nowMs() - lastMs;
    if (idleMs >= stallTimeoutMs) onStall();
    else cancel = clock.after(stallTimeoutMs - idleMs, check);
  };
  let cancel = clock.after(stallTimeoutMs, check);
  return {
    touch() {
      paused = false;
      lastMs = clock.nowMs();
    },
    pause: () => void (paused = true),
    stop: () => cancel(),
  };
}
