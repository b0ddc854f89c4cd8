import type { PlannedCall } from '@everruns/contract';
import type { RuntimeTool } from '../config/runtime-agent.ts';
import { isRecord, present } from '../objects.ts';
import type { RawCall } from './answer.ts';
import { narrate } from './narration.ts';

const MAX_QUOTED_CHARS = 200;

export interface PlanInput {
  calls: readonly RawCall[];
  tools: readonly RuntimeTool[];
  /** Call ids of the session so far. */
  takenIds: ReadonlySet<string>;
  /** Unique per step; makes ids where the model gave none or one that is taken. */
  stepId: string;
}

/** The model's calls with what the engine needs to run them. A call that cannot run keeps its place, with the reason for the model. */
export function planCalls({ calls, tools, takenIds, stepId }: PlanInput): PlannedCall[] {
  const taken = new Set(takenIds);
  const byName = new Map(tools.map((tool) => [tool.spec.name, tool]));
  return calls.map((call, index) => {
    const id = call.id === '' || taken.has(call.id) ? `call_${stepId}_${index}` : call.id;
    taken.add(id);
    return planCall({ ...call, id }, byName);
  });
}

function planCall(call: RawCall, tools: ReadonlyMap<string, RuntimeTool>): PlannedCall {
  const tool = tools.get(call.name);
  if (tool === undefined) return unrunnable(call, unknownToolText(call.name, [...tools.keys()]));
  const parsed = parseArguments(call.arguments);
  if ('problem' in parsed) return { ...unrunnable(call, parsed.problem), ...present({ display_name: tool.spec.display_name }) };
  const { spec, capability } = tool;
  return {
    id: call.id,
    name: call.name,
    arguments: parsed.value,
    side: tool.side,
    effect: tool.effect,
    ...present({
      concurrency_class: spec.hints?.concurrency_class,
      display_name: spec.display_name,
      narration: spec.narration && narrate(spec.narration.present, parsed.value),
      completed_narration: spec.narration && narrate(spec.narration.past, parsed.value),
      capability,
      start_to_close_ms: spec.timeoutMs,
    }),
  };
}

/** Nothing runs, so nothing can happen twice; a client never sees a call that it could not answer. */
function unrunnable(call: RawCall, problem: string): PlannedCall {
  return { id: call.id, name: call.name, arguments: {}, side: 'server', effect: 'readonly', problem };
}

function parseArguments(text: string): { value: Record<string, unknown> } | { problem: string } {
  if (text.trim() === '') return { value: {} };
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return { value };
    return { problem: `The arguments must be one JSON object, received: ${quoted(text)}` };
  } catch (error) {
    return { problem: `The arguments are not valid JSON (${(error as Error).message}). Received: ${quoted(text)}. Send the call again.` };
  }
}

function quoted(text: string): string {
  return text.length <= MAX_QUOTED_CHARS ? text : `${text.slice(0, MAX_QUOTED_CHARS)}...`;
}

function unknownToolText(name: string, known: readonly string[]): string {
  return `There is no tool named "${name}". ${known.length === 0 ? 'There are no tools.' : `The tools are: ${known.join(', ')}.`}`;
}
