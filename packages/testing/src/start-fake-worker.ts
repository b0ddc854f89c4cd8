import { createCapabilityRegistry } from '@everruns/agent/capability';
import type { ToolExecution, ToolRequest } from '@everruns/agent/tools/execute-tool';
import type { ExecutionHooks, ToolExecutor } from '@everruns/agent/tools/tool-step';
import type { WorkerSettings } from '@everruns/worker/settings';
import { startWorker } from '@everruns/worker/worker';
import { createFakeControlPlane } from './fake-control-plane.ts';
import { createFakeModel, type ScriptStep } from './fake-model.ts';
import { createManualClock } from './manual-clock.ts';
import { createRecordingLog } from './step-fixtures.ts';

export interface ManualExecutor extends ToolExecutor {
  readonly calls: { request: ToolRequest; hooks: ExecutionHooks; settle(execution: ToolExecution): void }[];
}

/** An executor whose calls start and end when a test says so. */
export function createManualExecutor(): ManualExecutor {
  const calls: ManualExecutor['calls'] = [];
  return {
    calls,
    execute: (request, hooks) =>
      new Promise((settle, reject) => {
        calls.push({ request, hooks, settle });
        hooks.signal.addEventListener('abort', () => reject(hooks.signal.reason as Error), { once: true });
      }),
  };
}

const SETTINGS: WorkerSettings = {
  workerId: 'worker-1',
  workerGroup: '',
  hostname: 'host',
  version: '0',
  maxTasks: 5,
  maxModelWaits: 20,
  drainTimeoutMs: 60_000,
  connectTimeoutMs: 30_000,
};

/** A worker with nothing real around it: its control plane, clock, model and tools are in the hands of the test. */
export function startFakeWorker(script: readonly (readonly ScriptStep[])[] = [], settings: Partial<WorkerSettings> = {}) {
  const clock = createManualClock();
  const plane = createFakeControlPlane();
  const tools = createManualExecutor();
  const recorded = createRecordingLog();
  const models = createFakeModel(clock, script);
  const worker = startWorker(
    { ...SETTINGS, ...settings },
    {
      openLink: plane.openLink,
      models,
      capabilities: createCapabilityRegistry([]),
      tools,
      log: { ...recorded, info: () => undefined },
      bootId: 'boot-1',
      clock,
      random: () => 0.5,
      loopDelayMs: () => 7,
    },
  );
  return { clock, plane, tools, models, worker, logged: recorded.lines };
}
