import type { ReasonInput, ReasonOutcome, StepUsage, TaskFailure } from '@everruns/contract';
import type { CapabilityRegistry, JsonObject } from '../capability.ts';
import type { Clock } from '../clock.ts';
import { assembleRuntimeAgent, DEFAULT_MAX_ITERATIONS, type RuntimeAgent } from '../config/runtime-agent.ts';
import {
  ModelError,
  type ChatModel,
  type Json,
  type ModelEndpoint,
  type ModelRegistry,
  type ModelUsage,
  type ReplayState,
} from '../model.ts';
import { isRecord, present } from '../objects.ts';
import type { StepLog, StepSink } from '../step.ts';
import type { ReplayPart } from '../transcript/replay.ts';
import { buildTranscript, toolCallIds } from '../transcript/transcript.ts';
import { AnswerCollector } from './answer.ts';
import { callModel, type ModelCallResult } from './model-call.ts';
import { planCalls } from './planned-calls.ts';
import { buildRequest, promptHash } from './request.ts';
import { StepOutput } from './step-output.ts';
import { failureOfModel, narrowDisclosure, redact, toStepError, type Failure } from './user-errors.ts';

export const STALL_TIMEOUT_MS = 120_000;

export interface ReasonDeps {
  models: ModelRegistry;
  capabilities: CapabilityRegistry;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: StepLog;
  /** Milliseconds without a new part after which a model call is given up. */
  stallTimeoutMs?: number;
  /** US dollars of one call, when the model's price is known. */
  priceOf?: (endpoint: ModelEndpoint, usage: ModelUsage) => number | undefined;
}

export interface ReasonTask {
  input: ReasonInput;
  /** What an earlier attempt stored. */
  checkpoint?: JsonObject;
  sink: StepSink;
}

/**
 * One model step: configuration to prompt, prompt to answer, answer to planned calls. A model call that fails is an outcome with
 * `success: false`; text that was produced by then is kept in `text`. Rejects with the signal's reason on abort; throws on bugs.
 */
export async function runReasonStep(task: ReasonTask, deps: ReasonDeps, signal: AbortSignal): Promise<ReasonOutcome | TaskFailure> {
  const step = new ReasonStep(task, deps);
  const { model } = task.input;
  if (model.problem !== undefined) return step.failed({ code: model.problem, detail: `the server reports ${model.problem}` });
  const { layers, ids, locale } = task.input;
  const context = { session_id: ids.session_id, org_id: ids.org_id, ...present({ locale }) };
  const assembly = await assembleRuntimeAgent({ layers, capabilities: deps.capabilities, context });
  if ('problem' in assembly) {
    const code = assembly.problem.code === 'duplicate_tool' ? 'invalid_tool_schema' : 'dependency_unavailable';
    return step.failed({ code, detail: assembly.problem.text });
  }
  step.agent = assembly.agent;
  if (assembly.agent.unknownCapabilities.length > 0) {
    deps.log.warn({ session_id: ids.session_id, capabilities: assembly.agent.unknownCapabilities }, 'capabilities are not registered here');
  }
  let chat: ChatModel;
  try {
    chat = deps.models.open(step.endpoint);
  } catch (error) {
    if (error instanceof ModelError) return step.failed(failureOfModel(error));
    throw error;
  }
  return step.run(chat, assembly.agent, signal);
}

class ReasonStep {
  readonly endpoint: ModelEndpoint;
  agent: RuntimeAgent | undefined;
  readonly #task: ReasonTask;
  readonly #deps: ReasonDeps;
  readonly #startedMs: number;
  readonly #output: StepOutput;
  readonly #collector: AnswerCollector;

  constructor(task: ReasonTask, deps: ReasonDeps) {
    const { ids, message_id, iteration, model } = task.input;
    this.#task = task;
    this.#deps = deps;
    this.#startedMs = deps.clock.nowMs();
    this.endpoint = endpointOf(model);
    this.#output = new StepOutput(task.sink, deps.clock, message_id);
    this.#collector = new AnswerCollector(this.#output, deps.clock, {
      turnId: ids.turn_id,
      messageId: message_id,
      iteration,
      model: model.model,
      providerType: model.provider_type,
    });
  }

  async run(chat: ChatModel, agent: RuntimeAgent, signal: AbortSignal): Promise<ReasonOutcome | TaskFailure> {
    const { input, checkpoint } = this.#task;
    const transcript = buildTranscript(input.messages, input.model.provider_type);
    for (const event of transcript.events) this.#output.attach(event);
    const resume = isRecord(checkpoint?.resume) ? (checkpoint.resume as ReplayState) : undefined;
    const call = {
      model: chat,
      request: buildRequest(input, agent, transcript.messages),
      collector: this.#collector,
      name: input.message_id,
      ...present({ resume, isProbe: input.probe }),
    };
    let result: ModelCallResult;
    try {
      result = await callModel(call, this.#callDeps(), signal);
    } catch (error) {
      this.#output.finish();
      throw error;
    }
    this.#collector.close();
    if (result.error === undefined) return this.#succeeded(agent, result);
    const { error, resumable } = result;
    this.#deps.log.warn(
      { session_id: input.ids.session_id, kind: error.kind, status: error.status, error: redact(error.message, this.endpoint.apiKey) },
      'model call failed',
    );
    // The provider goes on with the answer: the next attempt of this task gets all of it, without paying again.
    if (resumable && error.retryable && this.#collector.hasOutput) {
      this.#output.finish();
      return { kind: 'failure', code: 'model_stream_cut', message: `re-attaching after: ${error.kind}`, retryable: true };
    }
    return { ...this.failed(failureOfModel(error)), ...present({ retry: result.retry }) };
  }

  #callDeps() {
    const { clock, random, stallTimeoutMs = STALL_TIMEOUT_MS } = this.#deps;
    return { clock, random, stallTimeoutMs, checkpoint: (resume: ReplayState) => this.#task.sink.checkpoint({ resume }) };
  }

  /** The outcome of a step whose call could not be made, or broke off. */
  failed(failure: Failure): ReasonOutcome {
    const { input } = this.#task;
    const disclosure = narrowDisclosure(this.agent?.errorDisclosure ?? 'standard', input.controls.error_disclosure);
    return {
      ...this.#common(),
      success: false,
      calls: [],
      error: toStepError(failure, disclosure, input.model.api_key),
    };
  }

  #succeeded(agent: RuntimeAgent, { retry }: ModelCallResult): ReasonOutcome {
    const { input } = this.#task;
    const { calls: raw, end, responseId, responseModel } = this.#collector;
    const stepId = input.message_id.replace(/^message_/, '');
    const calls = planCalls({ calls: raw, tools: agent.tools, takenIds: toolCallIds(input.messages), stepId });
    return {
      ...this.#common(),
      success: true,
      phase: calls.length > 0 ? 'commentary' : 'final_answer',
      phase_source: 'derived',
      calls,
      ...present({
        parallel_tool_calls: agent.parallelToolCalls,
        finish_reason: end?.reason,
        response_id: responseId,
        response_model: responseModel,
        retry,
        replay: this.#replay(calls.map(({ id }) => id)),
      }),
    };
  }

  #common() {
    const { clock } = this.#deps;
    const { seen, model, messages } = this.#task.input;
    const { text, thinking, firstTextAtMs, end } = this.#collector;
    const events = this.#output.finish();
    return {
      kind: 'reason' as const,
      events,
      text,
      max_iterations: this.agent?.maxIterations ?? DEFAULT_MAX_ITERATIONS,
      answered: {
        seen,
        through: messages.reduce((newest, message) => Math.max(newest, message.sequence), 0),
        model: present({
          model_id: model.model_id,
          provider_id: model.provider_id,
          provider_type: model.provider_type,
          model: model.model,
        }),
      },
      duration_ms: Math.round(clock.nowMs() - this.#startedMs),
      ...present({
        thinking: thinking === '' ? undefined : thinking,
        time_to_first_token_ms: firstTextAtMs === undefined ? undefined : Math.round(firstTextAtMs - this.#startedMs),
        usage: end && this.#usage(end.usage),
        prompt_hash: this.agent && promptHash(this.agent),
        tools: this.agent?.tools.map(({ spec, capability }) =>
          present({ name: spec.name, description: spec.description, display_name: spec.display_name, capability_id: capability?.ref }),
        ),
      }),
    };
  }

  #usage(usage: ModelUsage): StepUsage {
    return {
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      ...present({
        cache_read_tokens: usage.cacheReadTokens,
        cache_creation_tokens: usage.cacheCreationTokens,
        estimated_cost_usd: this.#deps.priceOf?.(this.endpoint, usage),
      }),
    };
  }

  /** Absent when a plain message says it all. `callIds` are the calls' ids after planning, in the model's order. */
  #replay(callIds: string[]): ReasonOutcome['replay'] {
    const { parts } = this.#collector;
    if (!parts.some((part) => part.type === 'reasoning' || part.replay !== undefined)) return undefined;
    let call = 0;
    const named = parts.map((part): ReplayPart => (part.type === 'tool_call' ? { ...part, id: callIds[call++] as string } : part));
    return { provider_type: this.endpoint.providerType, parts: named };
  }
}

function endpointOf(model: ReasonInput['model']): ModelEndpoint {
  const { provider_type, base_url, api_key, options } = model;
  return {
    providerType: provider_type,
    model: model.model,
    ...present({ baseUrl: base_url, apiKey: api_key, options: options as Record<string, Json> | undefined }),
  };
}
