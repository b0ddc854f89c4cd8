import type { JsonObject } from '@everruns/agent/capability';
import { ModelDetached } from '@everruns/agent/model';
import { present } from '@everruns/agent/objects';
import { runCatalogue } from './run-catalogue.ts';
import { withoutKeys } from './without-keys.ts';
import { runReasonStep, type ReasonDeps, type ReasonTask } from '@everruns/agent/reason/reason-step';
import type { RunScript } from '@everruns/agent/reason/script-points';
import type { CallSession } from '@everruns/agent/session-access';
import { runToolStep, type ToolExecutor } from '@everruns/agent/tools/tool-step';
import { foldLayers } from '@everruns/agent/config/layers';
import { absenceEvents, goneText, usesMcp, withMcpServers, withServers, type McpDiscovery } from '@everruns/mcp';
import type { ReasonInput, TaskInput, TaskOutcome } from '@everruns/contract';
import type { Lease } from '../leases/lease.ts';

export interface TaskDeps extends ReasonDeps {
  executor: ToolExecutor;
  /** Knows the tools of MCP servers; without it there are none. */
  mcp?: McpDiscovery;
}

const MAX_MESSAGE_CHARS = 1_000;

/**
 * Runs what a lease stands for. Rejects with the signal's reason when the lease ends first; whatever else goes wrong is an outcome: the worker
 * lives on, and the engine's retry policy decides.
 */
export async function runTask(lease: Lease, deps: TaskDeps): Promise<TaskOutcome> {
  let input: TaskInput;
  try {
    input = JSON.parse(lease.task.input.toString('utf8')) as TaskInput;
  } catch (error) {
    return { kind: 'failure', code: 'malformed_input', message: String(error), retryable: false };
  }
  lease.isRepeatable = input.kind !== 'tool' || input.call.effect !== 'unsafe';
  const stopHeartbeats = startHeartbeats(lease, deps);
  try {
    if (input.kind === 'catalogue') return await runCatalogue(input, deps.models, lease.signal);
    return input.kind === 'reason' ? await runReason(input, lease, deps) : await runTool(input, lease, deps);
  } catch (error) {
    lease.signal.throwIfAborted();
    const { taskId, sessionId } = lease.task;
    const message = withoutSecret(error instanceof Error ? error.message : String(error), input);
    deps.log.error({ task: taskId, session_id: sessionId, error: withoutSecret((error as Error).stack ?? message, input) }, 'a step broke');
    return { kind: 'failure', code: 'internal', message: message.slice(0, MAX_MESSAGE_CHARS), retryable: true };
  } finally {
    stopHeartbeats();
  }
}

function runTool(input: Extract<TaskInput, { kind: 'tool' }>, lease: Lease, deps: TaskDeps): Promise<TaskOutcome> {
  const started = () => {
    lease.hasStarted = true;
  };
  const call: CallSession = (op, args) => lease.call(op, args);
  const executor: ToolExecutor = {
    execute: (request, hooks) => deps.executor.execute(request, { ...hooks, call: withoutKeys(hooks.call) }),
  };
  return runToolStep({ input, sink: lease, timeoutMs: lease.task.startToCloseMs, call, started }, { ...deps, executor }, lease.signal);
}

async function runReason(input: ReasonInput, lease: Lease, deps: TaskDeps): Promise<TaskOutcome> {
  const { startToCloseMs, checkpoint } = lease.task;
  const limit = new AbortController();
  // A provider that keeps the answer goes on with it; the next attempt takes it up again.
  const timeout = new ModelDetached(`the step did not end within ${startToCloseMs / 1_000} s`);
  const cancel = startToCloseMs > 0 ? deps.clock.after(startToCloseMs, () => limit.abort(timeout)) : () => undefined;
  const state = checkpoint.length === 0 ? undefined : (JSON.parse(checkpoint.toString('utf8')) as JsonObject);
  try {
    const signal = AbortSignal.any([lease.signal, limit.signal]);
    const { deps: withTools, ...equipped } = await withMcpTools(input, { lease, deps, signal });
    const call: CallSession = (op, args) => lease.call(op, args);
    const runScript = scriptRunner(withoutKeys(call), deps);
    const task = { ...equipped, sink: lease, call, runScript, ...(state !== undefined && { checkpoint: state }) };
    return await runReasonStep(task, withTools, signal);
  } catch (error) {
    lease.signal.throwIfAborted();
    if (error !== timeout) throw error;
    return { kind: 'failure', code: 'start_to_close', message: timeout.message, retryable: true };
  } finally {
    cancel();
  }
}

/** Scripts run where tools do, and end with their time or with the step. */
function scriptRunner(call: CallSession, { clock, executor }: TaskDeps): RunScript {
  return async (request, limitMs, signal) => {
    const limit = new AbortController();
    const cancel = clock.after(limitMs, () => limit.abort(new Error(`the scripts did not end within ${limitMs} ms`)));
    const ends = AbortSignal.any([signal, limit.signal]);
    try {
      return await executor.execute(request, { signal: ends, call, progress: () => undefined, started: () => undefined });
    } catch (error) {
      signal.throwIfAborted();
      if (!limit.signal.aborted) throw error;
      return { status: 'error', error: (limit.signal.reason as Error).message };
    } finally {
      cancel();
    }
  };
}

/** The step with the tools of the MCP servers that its configuration names. */
async function withMcpTools(
  input: ReasonInput,
  { lease, deps, signal }: { lease: Lease; deps: TaskDeps; signal: AbortSignal },
): Promise<Pick<ReasonTask, 'input' | 'gone' | 'notices'> & { deps: TaskDeps }> {
  if (deps.mcp === undefined || !usesMcp(input.layers)) return { input, deps };
  const access = foldLayers(input.layers).networkAccess;
  const agentId = input.addressed_agent_id;
  const { servers, gone } = await deps.mcp.toolsOf({ call: (op, args) => lease.call(op, args), access, agentId, signal });
  signal.throwIfAborted();
  return {
    input: { ...input, layers: withServers(input.layers, servers, agentId) },
    ...present({ gone: goneText(gone) }),
    notices: absenceEvents(servers),
    deps: { ...deps, capabilities: withMcpServers(deps.capabilities, servers) },
  };
}

/** A third of the time-out each, so that two may be lost. */
function startHeartbeats(lease: Lease, { clock }: TaskDeps): () => void {
  const everyMs = lease.task.heartbeatMs / 3;
  if (everyMs <= 0) return () => undefined;
  let cancel: () => void;
  const beat = () => {
    lease.heartbeat();
    cancel = clock.after(everyMs, beat);
  };
  cancel = clock.after(everyMs, beat);
  return () => cancel();
}

function withoutSecret(text: string, input: TaskInput): string {
  const key = input.kind === 'reason' ? input.model.api_key : input.kind === 'catalogue' ? input.provider.api_key : undefined;
  return key === undefined || key === '' ? text : text.replaceAll(key, '***');
}
