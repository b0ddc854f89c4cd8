import type { LanguageModelV4 } from '@ai-sdk/provider';
import { type ChatModel, ModelDetached, type ModelPart, type ModelRequest } from '@everruns/agent/model';
import { toModelError } from '../../errors/to-model-error.ts';
import { readAnswer, toCallOptions } from '../../sdk/chat-model.ts';
import { createPartConverter } from '../../sdk/parts.ts';
import { openaiProfile } from '../profile.ts';
import type { Fetch } from './api.ts';
import { type BackgroundCall, startBackgroundCall } from './call.ts';
import type { FollowOptions } from './follow.ts';

export interface BackgroundChatModelOptions {
  /** The SDK's model, speaking through the given fetch. */
  open(fetch: Fetch): Promise<LanguageModelV4>;
  fetch: Fetch;
  apiKey: string;
  nowMs: () => number;
  wait: FollowOptions['wait'];
}

/**
 * Responses that run on at OpenAI. The id is handed out as `resumable` before anything else of the answer; with it a later attempt reads
 * the same response from its beginning instead of paying for another one. Aborting cancels it there, except with `ModelDetached`.
 */
export function createBackgroundChatModel(options: BackgroundChatModelOptions): ChatModel {
  return { stream: (request, signal) => streamBackground(options, request, signal) };
}

async function* streamBackground(
  options: BackgroundChatModelOptions,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelPart> {
  signal.throwIfAborted();
  const call = startBackgroundCall({ fetch: options.fetch, resumeId: resumeIdOf(request), wait: options.wait });
  const connection = new AbortController();
  const abortSignal = AbortSignal.any([signal, connection.signal]);
  const converter = createPartConverter(openaiProfile);
  const onAbort = (): void => void call.end({ cancel: !(signal.reason instanceof ModelDetached) });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const model = await options.open(call.fetch);
    const answer = model.doStream({ ...toCallOptions(request, openaiProfile), ...headersOf(request), abortSignal });
    yield* announce(call, answer);
    yield* readAnswer(await answer, converter);
  } catch (error) {
    signal.throwIfAborted();
    throw toModelError(error, { apiKey: options.apiKey, nowMs: options.nowMs() });
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!converter.isFinished) connection.abort();
    if (!signal.aborted) void call.end({ cancel: false });
  }
}

/** The id of a new response comes before its answer, which is not read on until the consumer asks for more. */
async function* announce(call: BackgroundCall, answer: PromiseLike<unknown>): AsyncGenerator<ModelPart> {
  const responseId = await Promise.race([call.created, answer.then(() => undefined)]);
  if (responseId === undefined) return;
  yield { type: 'resumable', state: { responseId } };
}

function resumeIdOf(request: ModelRequest): string | undefined {
  const id = request.resume?.['responseId'];
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function headersOf(request: ModelRequest): { headers?: Record<string, string> } {
  return request.idempotencyKey === undefined ? {} : { headers: { 'idempotency-key': request.idempotencyKey } };
}
