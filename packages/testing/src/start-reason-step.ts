import type { ReasonInput, ReasonOutcome } from '@everruns/contract';
import { createFakeModel, type ScriptStep } from './fake-model.ts';
import { createManualClock } from './manual-clock.ts';
import { createRecordingLog, createRecordingSink, reasonInput } from './step-fixtures.ts';
import { createCapabilityRegistry, toolSuccess, type Capability, type JsonObject } from '@everruns/agent/capability';
import { runReasonStep, type ReasonDeps } from '@everruns/agent/reason/reason-step';

/** A reason step on a manual clock, against a scripted model. For tests. */

export const echo: Capability = {
  info: {
    id: 'echo',
    name: 'Echo',
    description: 'Echo',
    status: 'available',
    risk_level: 'low',
    tools: [],
    features: [],
    dependencies: [],
  },
  resolve: () => ({
    prompt: 'Echo things.',
    tools: [
      {
        definition: { name: 'echo', description: 'Says it again', parameters: { type: 'object' }, hints: { readonly: true } },
        execute: (args) => toolSuccess(args),
      },
    ],
  }),
};

export interface SetUp {
  input?: Partial<ReasonInput>;
  deps?: Partial<ReasonDeps>;
  checkpoint?: JsonObject;
  holdCheckpoints?: boolean;
}

export function start(script: ScriptStep[][], setUp: SetUp = {}) {
  const clock = createManualClock();
  const models = createFakeModel(clock, script);
  const sink = createRecordingSink({ holdCheckpoints: setUp.holdCheckpoints ?? false });
  const log = createRecordingLog();
  const abort = new AbortController();
  const deps: ReasonDeps = { models, capabilities: createCapabilityRegistry([echo]), clock, random: () => 0.5, log, ...setUp.deps };
  const task = { input: reasonInput(setUp.input), sink, ...(setUp.checkpoint !== undefined && { checkpoint: setUp.checkpoint }) };
  const result = runReasonStep(task, deps, abort.signal);
  result.catch(() => undefined);
  const outcome = async () => (await result) as ReasonOutcome;
  return { clock, models, sink, log, abort, result, outcome };
}

export const types = (outcome: ReasonOutcome) => outcome.events.map(({ type }) => type);
