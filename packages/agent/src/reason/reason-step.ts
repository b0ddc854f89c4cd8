import type {
  BudgetNotice,
  ContextChange,
  ErrorDisclosure,
  InStepEvent,
  PlannedCall,
  ReasonInput,
  ReasonOutcome,
  ResolvedModel,
  StepUsage,
  TaskFailure,
} from '@everruns/contract';
import type { CapabilityRegistry, JsonObject } from '../capability.ts';
import type { Clock } from '../clock.ts';
import { HookFailure, type CallDraft, type HookOwner, type LoopView } from '../hooks/hooks.ts';
import { judgedCall, modelErrorAnswer, outputWatches, resultHooks, rewrittenCall } from '../hooks/run-hooks.ts';
import { assembleRuntimeAgent, DEFAULT_MAX_ITERATIONS, type RuntimeAgent } from '../config/runtime-agent.ts';
import { ModelError, type ChatModel, type ModelEndpoint, type ModelRegistry, type ReplayState } from '../model.ts';
import { decideContext, decideTooLarge, type Change, type ContextDecision } from '../context/manage.ts';
import type { AskServer } from '../judge/ask-judges.ts';
import { JUDGE_BUDGET_WAIT_MS } from '../judge/limit.ts';
import { moderate, type ModerationCheck } from '../judge/moderate.ts';
import { isRecord, present } from '../objects.ts';
import { sessionAccess, type CallSession } from '../session-access.ts';
import type { StepLog, StepSink } from '../step.ts';
import type { ReplayPart } from '../transcript/replay.ts';
import { REFUSED, withoutRefused } from '../transcript/refused.ts';
import { toolCallIds } from '../transcript/transcript.ts';
import { AnswerCollector, type AnswerLabels, type RawCall } from './answer.ts';
import { answerChecks, callJudges, judgeCalls, judgingModel, resultJudges } from './call-judges.ts';
import { BudgetRefused, CallMeter, ModelNotPriced } from './call-meter.ts';
import { endpointOf } from './endpoint.ts';
import { callModel, type ModelCall, type ModelCallResult } from './model-call.ts';
import { planCalls } from './planned-calls.ts';
import { openCalls, ScriptPoints, withScripted, type RunScript, type ScriptedChange } from './script-points.ts';
import { asSeen, asShown, prepareStep, promptOf, type PreparedStep } from './prepare.ts';
import { promptHash, requestOptions } from './request.ts';
import { StepOutput } from './step-output.ts';
import { summarize, type Summarized, type Summarizing } from './summarize.ts';
import { usageOf } from './summary-call.ts';
import { failureOfConfig, failureOfModel, narrowDisclosure, redact, toStepError, type Failure } from './user-errors.ts';

export const STALL_TIMEOUT_MS = 120_000;

export interface ReasonDeps {
  models: ModelRegistry;
  capabilities: CapabilityRegistry;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: StepLog;
  /** How MCP servers of the session are asked for their judgement; without it none is. */
  askServer?: AskServer;
  /** Milliseconds without a new part after which a model call is given up. */
  stallTimeoutMs?: number;
}

export interface ReasonTask {
  input: ReasonInput;
  /** What an earlier attempt stored. */
  checkpoint?: JsonObject;
  sink: StepSink;
  /** The way to the session's budgets; a step without it has none. */
  call?: CallSession;
  /** What the configuration needs and is archived or deleted, in words for people: no step is made without it. */
  gone?: string;
  /** What those who watch the session are told at the beginning of a turn. */
  notices?: readonly InStepEvent[];
  /** Where scripts of capabilities run; without it, none do. */
  runScript?: RunScript;
}

/**
 * One model step: configuration to prompt, prompt to answer, answer to planned calls. A model call that fails is an outcome with
 * `success: false`; text that was produced by then is kept in `text`. Rejects with the signal's reason on abort; throws on bugs.
 */
export async function runReasonStep(given: ReasonTask, deps: ReasonDeps, signal: AbortSignal): Promise<ReasonOutcome | TaskFailure> {
  const task = { ...given, input: { ...given.input, messages: [...withoutRefused(given.input.messages)] } };
  const step = new ReasonStep(task, deps);
  const { model } = task.input;
  const { layers, ids, locale, skills, approvals } = task.input;
  const context = { session_id: ids.session_id, org_id: ids.org_id, ...present({ locale, skills, approvals }) };
  const assembly = await assembleRuntimeAgent({ layers, capabilities: deps.capabilities, context });
  if (!('problem' in assembly)) step.disclosure = assembly.agent.errorDisclosure;
  const unusable = failureOfConfig(model);
  if (unusable !== undefined) return step.failed(unusable);
  if (task.gone !== undefined) return step.failed({ code: 'dependency_unavailable', detail: task.gone, text: task.gone });
  if ('problem' in assembly) {
    const code = assembly.problem.code === 'duplicate_tool' ? 'invalid_tool_schema' : 'dependency_unavailable';
    return step.failed({ code, detail: assembly.problem.text });
  }
  if (assembly.agent.unknownCapabilities.length > 0) {
    deps.log.warn({ session_id: ids.session_id, capabilities: assembly.agent.unknownCapabilities }, 'capabilities are not registered here');
  }
  let chat: ChatModel;
  try {
    chat = step.metered(deps.models.open(step.endpoint));
  } catch (error) {
    if (error instanceof ModelError) return step.failed(failureOfModel(error));
    throw error;
  }
  try {
    return await step.ended(await step.run(chat, assembly.agent, signal), signal);
  } catch (error) {
    if (error instanceof BudgetRefused) return step.paused(error);
    if (error instanceof ModelNotPriced) return step.failed({ code: 'model_not_priced', detail: error.message });
    if (!(error instanceof HookFailure)) throw error;
    deps.log.error({ session_id: ids.session_id, error: error.message }, 'a hook of a capability is broken');
    return step.failed({ code: 'processing_error', detail: error.message });
  }
}

class ReasonStep {
  readonly endpoint: ModelEndpoint;
  agent: RuntimeAgent | undefined;
  /** How much is told of a failure, also before there is an agent to ask. */
  disclosure: ErrorDisclosure = 'standard';
  readonly #task: ReasonTask;
  readonly #deps: ReasonDeps;
  readonly #startedMs: number;
  readonly #labels: AnswerLabels;
  readonly #output: StepOutput;
  readonly #meter: CallMeter | undefined;
  #collector: AnswerCollector;
  #scripts: ScriptPoints;
  /** What the model is asked on: the task's, or with a shorter history. */
  #prompted: ReasonInput;
  #context: ContextChange | undefined;
  #judging: StepUsage | undefined;
  #answerChecks: readonly ModerationCheck[] = [];

  constructor(task: ReasonTask, deps: ReasonDeps) {
    const { ids, message_id, iteration, model } = task.input;
    this.#task = task;
    this.#prompted = task.input;
    this.#deps = deps;
    this.#startedMs = deps.clock.nowMs();
    this.endpoint = endpointOf(model);
    this.#output = new StepOutput(task.sink, deps.clock, message_id);
    this.#labels = {
      turnId: ids.turn_id,
      messageId: message_id,
      iteration,
      model: model.model,
      providerType: model.provider_type,
    };
    this.#collector = new AnswerCollector(this.#output, deps.clock, this.#labels);
    this.#scripts = this.#scriptsOf([]);
    this.#meter = meterOf(task, deps, (budget) => {
      this.#output.attach({ type: 'budget.warning', data: { turn_id: ids.turn_id, ...budget } });
    });
  }

  /** Every call of the step goes through this, whatever it is for. */
  metered(chat: ChatModel, model: ResolvedModel = this.#task.input.model, maxWaitMs?: number): ChatModel {
    const { profile, provider_type: providerType } = model;
    return this.#meter?.metered(chat, { profile, providerType }, maxWaitMs) ?? chat;
  }

  #open(model: ResolvedModel, maxWaitMs?: number): ChatModel {
    return this.metered(this.#deps.models.open(endpointOf(model)), model, maxWaitMs);
  }

  /** A budget had no room for the next call: the step is made again when there is. */
  paused({ message, shortage }: BudgetRefused): TaskFailure {
    this.#output.finish();
    const charges = this.#meter?.charges ?? [];
    return { kind: 'failure', code: shortage.code, message, retryable: true, charges, budget: shortage };
  }

  async run(chat: ChatModel, agent: RuntimeAgent, signal: AbortSignal): Promise<ReasonOutcome | TaskFailure> {
    const { input, checkpoint } = this.#task;
    this.agent = agent;
    this.#scripts = this.#scriptsOf(agent.hooks);
    const resume = isRecord(checkpoint?.resume) ? (checkpoint.resume as ReplayState) : undefined;
    const context = decideContext(input, isBounded(agent) ? asShown(input, agent) : agent);
    // An answer that is on its way was asked for as things were.
    if (context.kind === 'summarize' && resume === undefined) return this.#shortened(chat, context, signal);
    this.#take(context);
    const prepared = prepareStep(this.#prompted, agent);
    this.agent = prepared.shown;
    for (const event of prepared.events) this.#output.attach(event);
    if (input.iteration === 1) for (const event of this.#task.notices ?? []) this.#output.attach(event);
    this.#collectFor(prepared);
    const refusal = resume === undefined ? await this.#scripts.inputs(signal) : null;
    if (refusal !== null) return this.failed({ code: REFUSED, detail: refusal.reason, ...present({ text: refusal.text }) });
    const result = await this.#ask({ chat, request: prepared.request, name: input.message_id, ...present({ resume }) }, signal);
    if (result.error === undefined) return this.#succeeded({ agent, view: prepared.view, result }, signal);
    const { error, resumable } = result;
    if (error.kind === 'request_too_large' && !this.#collector.hasOutput) {
      const shorter = decideTooLarge(this.#prompted, prepared.shown);
      if (shorter?.kind === 'skip') this.#take(shorter);
      else if (shorter !== null) return this.#shortened(chat, shorter, signal);
    }
    // The provider goes on with the answer: the next attempt of this task gets all of it, without paying again.
    if (resumable && error.retryable && this.#collector.hasOutput && this.#collector.verdict === null) {
      this.#output.finish();
      return { kind: 'failure', code: 'model_stream_cut', message: `re-attaching after: ${error.kind}`, retryable: true };
    }
    return this.#unanswered({ agent, chat, prepared, error, retry: result.retry }, signal);
  }

  /** Goes on with what was decided about the context. */
  #take(decision: ContextDecision): void {
    if (decision.kind === 'skip') {
      this.#output.attach(decision.event);
      this.#context = { tried_tokens: decision.triedTokens };
    } else if (decision.kind === 'replace') {
      for (const event of decision.change.events) this.#output.attach(event);
      this.#context = contextChange(decision.change);
      // What the provider has counted was another prompt.
      const { measured: _measured, ...context } = this.#prompted.context ?? {};
      const { hidden } = decision.change.checkpoint;
      this.#prompted = { ...this.#prompted, messages: decision.messages, context: { ...context, hidden } };
    }
  }

  /** Ends the step with a shorter context instead of an answer: the next one begins on it. */
  async #shortened(chat: ChatModel, decision: ContextDecision, signal: AbortSignal): Promise<ReasonOutcome> {
    const recovered = decision.kind !== 'keep' && causeOf(decision) === 'request_too_large';
    const summary = decision.kind === 'summarize' ? await this.#summarize(chat, decision, signal) : undefined;
    this.#take(summary?.decision ?? decision);
    const { usage: _usage, request_options: _options, ...common } = this.#common();
    const made = this.#context ?? { tried_tokens: 0 };
    const duration_ms = summary?.result.durationMs ?? 0;
    return {
      ...common,
      ...(summary !== undefined && { answered: { ...common.answered, model: modelName(summary.model) } }),
      text: '',
      success: true,
      calls: [],
      context: {
        ...made,
        ...(made.compaction && { compaction: { ...made.compaction, duration_ms } }),
        again: { recovered, called: summary !== undefined },
      },
      ...present({ usage: summary?.result.usage, retry: summary?.result.retry, finish_reason: summary?.result.finish_reason }),
    };
  }

  async #summarize(chat: ChatModel, { plan, ...decision }: Summarizing, signal: AbortSignal): Promise<Summarized> {
    // What is withheld from prompts must not come back by a summary.
    const summarized = this.agent === undefined ? plan.summarized : asSeen(this.#prompted, this.agent, plan.summarized);
    const open = (model: ResolvedModel): ChatModel => this.#open(model);
    const step = { input: this.#prompted, chat, open, output: this.#output, deps: this.#callDeps(), ...present({ call: this.#task.call }) };
    return summarize(step, { ...decision, plan: { ...plan, summarized } }, signal).catch((error: unknown) => {
      this.#output.finish();
      throw error;
    });
  }

  /** A call that failed for good: hooks may have another prompt, once, or words of their own. */
  async #unanswered(failed: FailedCall, signal: AbortSignal): Promise<ReasonOutcome> {
    const { agent, chat, prepared, error, retry } = failed;
    const input = this.#prompted;
    const failure = failureOfModel(error);
    const facts = present({ kind: error.kind, code: failure.code, status: error.status });
    const answer = this.#collector.hasOutput ? null : modelErrorAnswer(prepared.shown.hooks, facts, prepared.view);
    if (answer === null) return { ...this.failed(failure), ...present({ retry }) };
    if ('text' in answer) return { ...this.failed({ ...failure, text: answer.text }), ...present({ retry }) };
    const { request, events } = promptOf(input, prepared.shown, answer.messages);
    this.#collectFor(prepared);
    for (const event of events) this.#output.attach(event);
    const again = await this.#ask({ chat, request, name: `${input.message_id}:again` }, signal);
    if (again.error === undefined) return this.#succeeded({ agent, view: prepared.view, result: again }, signal);
    return { ...this.failed(failureOfModel(again.error)), ...present({ retry: again.retry }) };
  }

  /** What comes in from here on is a new answer, watched by its own watches. */
  #collectFor({ shown, view }: PreparedStep): void {
    const watches = outputWatches(shown.hooks, view);
    this.#answerChecks = answerChecks(shown.hooks);
    const isHeld = this.#answerChecks.some((check) => check.on_fail === 'block');
    this.#collector = new AnswerCollector(this.#output, this.#deps.clock, { ...this.#labels, watches, isHeld });
  }

  async #ask(asked: Asked, signal: AbortSignal): Promise<ModelCallResult> {
    const { chat, ...call } = asked;
    const { input } = this.#task;
    let result: ModelCallResult;
    try {
      const isProbe = present({ isProbe: input.probe });
      result = await callModel({ ...call, ...isProbe, model: chat, collector: this.#collector }, this.#callDeps(), signal);
      this.#collector.close();
      await this.#moderated(signal);
    } catch (error) {
      if (!(error instanceof HookFailure)) this.#output.finish();
      throw error;
    }
    if (result.error !== undefined) {
      const { kind, status, message } = result.error;
      const fields = { session_id: input.ids.session_id, kind, status, error: redact(message, this.endpoint.apiKey) };
      this.#deps.log.warn(fields, 'model call failed');
    }
    return result;
  }

  /** Asks a provider about the whole answer, where that is wanted. */
  async #moderated(signal: AbortSignal): Promise<void> {
    const { text, verdict: known } = this.#collector;
    if (this.#answerChecks.length === 0 || text === '' || known !== null) return;
    const { models, clock } = this.#deps;
    const modelOf = (named: string | undefined) => judgingModel(named, this.#task.input.model, this.#task.call);
    const { verdict, events } = await moderate(text, this.#answerChecks, { models, clock, modelOf }, signal);
    for (const event of events) this.#output.attach(event);
    this.#collector.settle(verdict);
  }

  #callDeps() {
    const { clock, random, stallTimeoutMs = STALL_TIMEOUT_MS } = this.#deps;
    return { clock, random, stallTimeoutMs, checkpoint: (resume: ReplayState) => this.#task.sink.checkpoint({ resume }) };
  }

  /** The outcome of a step whose call could not be made, or broke off. */
  failed(failure: Failure): ReasonOutcome {
    const { input } = this.#task;
    const disclosure = narrowDisclosure(this.agent?.errorDisclosure ?? this.disclosure, input.controls.error_disclosure);
    return {
      ...this.#common(),
      success: false,
      calls: [],
      error: toStepError(failure, disclosure, input.model.api_key),
    };
  }

  async #succeeded({ agent, view, result: { retry } }: Answered, signal: AbortSignal): Promise<ReasonOutcome> {
    const { calls: raw, end, responseId, responseModel, verdict, phase } = this.#collector;
    const calls = verdict === null ? await this.#planned(raw, { agent, view }, signal) : [];
    return {
      ...this.#common(),
      success: true,
      ...(phase === undefined || verdict !== null
        ? { phase: calls.length > 0 ? 'commentary' : 'final_answer', phase_source: 'derived' }
        : { phase, phase_source: 'provider' }),
      calls,
      ...present({
        parallel_tool_calls: agent.parallelToolCalls,
        finish_reason: verdict === null ? end?.reason : 'content_filter',
        response_id: responseId,
        response_model: responseModel,
        retry,
        replay: verdict === null ? this.#replay(calls.map(({ id }) => id)) : undefined,
      }),
    };
  }

  async #planned(calls: readonly RawCall[], { agent, view }: Omit<Answered, 'result'>, signal: AbortSignal): Promise<PlannedCall[]> {
    const { messages, message_id } = this.#task.input;
    const input = {
      calls,
      tools: agent.tools,
      takenIds: toolCallIds(messages),
      isCut: (this.#context?.checkpoint ?? this.#task.input.context?.hidden) !== undefined,
      stepId: message_id.replace(/^message_/, ''),
      resultHooks: resultHooks(agent.hooks),
      mayWithhold: agent.hooks.some(({ hooks }) => hooks.rewriteResult !== undefined && hooks.onlyShortens !== true),
      networkAccess: agent.networkAccess,
      judges: resultJudges(agent.hooks, this.#task.input),
    };
    const rewritten = (call: CallDraft): CallDraft => rewrittenCall(agent.hooks, call, view);
    // Scripts see calls as they would run, and judges see what scripts made of them.
    const open = this.#scripts.isEmpty ? [] : openCalls(planCalls({ ...input, draft: rewritten }));
    const changes = await this.#scripts.calls(open, signal);
    const draft = (call: CallDraft): CallDraft => judgedCall(agent.hooks, withScripted(rewritten(call), changes), view);
    const judged = await this.#judged(agent, () => planCalls({ ...input, draft }), signal);
    const record = (event: InStepEvent): void => this.#output.attach(event);
    return planCalls({ ...input, draft: (call) => withScripted(draft(call), judged), record });
  }

  /** What models say of calls that nobody else refuses. */
  async #judged(agent: RuntimeAgent, plan: () => PlannedCall[], signal: AbortSignal): Promise<ReadonlyMap<string, ScriptedChange>> {
    const judges = callJudges(agent.hooks);
    if (judges.length === 0) return new Map();
    const deps = {
      server: {
        ask: this.#deps.askServer,
        call: this.#task.call,
        access: agent.networkAccess,
        agentId: this.#task.input.addressed_agent_id,
      },
      open: (model: ResolvedModel): ChatModel => this.#open(model, JUDGE_BUDGET_WAIT_MS),
      record: (event: InStepEvent): void => this.#output.attach(event),
      deps: this.#callDeps(),
    };
    const { changes, usage } = await judgeCalls({ input: this.#task.input, judges, calls: plan() }, deps, signal);
    this.#judging = usage;
    return changes;
  }

  #scriptsOf(hooks: readonly HookOwner[]): ScriptPoints {
    const record = (event: InStepEvent): void => this.#output.attach(event);
    const access = this.agent?.networkAccess;
    return new ScriptPoints(hooks, this.#task.input, { run: this.#task.runScript, access, record, log: this.#deps.log });
  }

  /** What scripts do at the end is recorded with the step, and changes nothing else about it. */
  async ended<T extends ReasonOutcome | TaskFailure>(outcome: T, signal: AbortSignal): Promise<T> {
    if (outcome.kind !== 'reason' || outcome.calls.length > 0 || outcome.context?.again !== undefined) return outcome;
    const { success, text, events } = outcome;
    return { ...outcome, events: [...events, ...(await this.#scripts.end({ success, text }, signal))] };
  }

  #common() {
    const { clock } = this.#deps;
    const { seen, model, messages } = this.#task.input;
    const { text, thinking, firstTextAtMs, end, verdict } = this.#collector;
    for (const event of [...this.#collector.watchEvents, ...this.#replaced()]) this.#output.attach(event);
    const events = this.#output.finish();
    return {
      kind: 'reason' as const,
      events,
      text: verdict?.replacement ?? text,
      max_iterations: this.agent?.maxIterations ?? DEFAULT_MAX_ITERATIONS,
      answered: {
        seen,
        through: messages.reduce((newest, message) => Math.max(newest, message.sequence), 0),
        model: modelName(model),
      },
      duration_ms: Math.round(clock.nowMs() - this.#startedMs),
      ...present({
        thinking: thinking === '' ? undefined : thinking,
        time_to_first_token_ms: firstTextAtMs === undefined ? undefined : Math.round(firstTextAtMs - this.#startedMs),
        usage: end && usageOf(this.#task.input, end.usage),
        context: this.#context,
        prompt_hash: this.agent && promptHash(this.agent),
        tools: this.agent?.tools.map(({ spec, capability }) =>
          present({ name: spec.name, description: spec.description, display_name: spec.display_name, capability_id: capability?.ref }),
        ),
        request_options: this.agent && requestOptions(this.agent, this.#task.input),
        charges: this.#meter?.charges,
        judging: this.#judging,
      }),
    };
  }

  /** The event that takes back what was shown of a withdrawn answer; committed together with what stands in its place. */
  #replaced(): InStepEvent[] {
    const { verdict } = this.#collector;
    if (verdict === null) return [];
    const { owner, ...rest } = verdict;
    const { turnId, messageId } = this.#labels;
    return [{ type: 'output.message.replaced', data: { turn_id: turnId, message_id: messageId, guardrail_capability_id: owner, ...rest } }];
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

/** Does anybody look at the size of its prompts? */
function isBounded({ context }: RuntimeAgent): boolean {
  return context.window !== undefined || context.compaction !== undefined;
}

function causeOf(decision: ContextDecision): unknown {
  if (decision.kind === 'summarize') return decision.cause.reason;
  return decision.kind === 'replace' ? decision.change.reason : undefined;
}

function contextChange({ checkpoint, tokensBefore, tokensAfter }: Change): ContextChange {
  const compaction = { compacted: true, input_tokens_before: tokensBefore, input_tokens_after: tokensAfter, duration_ms: 0 };
  return { checkpoint, tried_tokens: tokensAfter, compaction };
}

function meterOf({ input, call }: ReasonTask, { clock }: ReasonDeps, warn: (budget: BudgetNotice) => void): CallMeter | undefined {
  if (input.budgeted !== true) return undefined;
  if (call === undefined) throw new Error('A step whose session has budgets needs a way to ask them.');
  const { profile, provider_type: providerType } = input.model;
  return new CallMeter({ session: sessionAccess(call), clock, profile, providerType, warn, ...present({ speed: input.controls.speed }) });
}

interface Asked extends Pick<ModelCall, 'request' | 'name' | 'resume'> {
  chat: ChatModel;
}

interface Answered {
  agent: RuntimeAgent;
  view: LoopView;
  result: ModelCallResult;
}

interface FailedCall {
  agent: RuntimeAgent;
  chat: ChatModel;
  prepared: PreparedStep;
  error: ModelError;
  retry: ModelCallResult['retry'];
}

function modelName({ model_id, provider_id, provider_type, model, fallback_for }: ResolvedModel): ReasonOutcome['answered']['model'] {
  return present({ model_id, provider_id, provider_type, model, fallback_for });
}
