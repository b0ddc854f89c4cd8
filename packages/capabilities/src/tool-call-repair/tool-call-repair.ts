import type { Capability } from '@everruns/agent/capability';
import type { CallDraft, LoopView } from '@everruns/agent/hooks/hooks';
import { UNREADABLE_ARGUMENTS } from '@everruns/agent/reason/planned-calls';
import { checkArguments } from '@everruns/agent/tools/check-arguments';
import type { InStepEvent } from '@everruns/contract';
import { infoOf, numberRefusal, schemaRefusal, wholeNumber } from '../config.ts';
import { currentTurn } from '../history.ts';
import { coerceArguments } from './coerce.ts';
import { salvageObject } from './salvage.ts';

const REPROMPTS = { min: 0, max: 5, otherwise: 1 };

const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    max_reprompts: {
      type: 'integer',
      minimum: REPROMPTS.min,
      maximum: REPROMPTS.max,
      description: 'How often in a turn the model is asked to send a call again that cannot be read. Default 1.',
    },
  },
};

const GAVE_UP = `${UNREADABLE_ARGUMENTS} readable, as before. Do not send this call again: go on without it, or tell the user what you cannot do.`;

/** Mends calls whose arguments are nearly right, and asks for the others again, a limited number of times. */
export const toolCallRepair: Capability = {
  info: infoOf({
    id: 'tool_call_repair',
    name: 'Tool Call Repair',
    description: 'Mends tool calls with malformed arguments, or asks the model to send them again.',
    category: 'Optimization',
    icon: 'wrench',
    config_schema: CONFIG_SCHEMA,
  }),
  checkConfig: (config) => schemaRefusal(CONFIG_SCHEMA, config) ?? numberRefusal('max_reprompts', config.max_reprompts, REPROMPTS),
  resolve: ({ max_reprompts: max }) => {
    const reprompts = wholeNumber(max, REPROMPTS);
    return { tools: [], hooks: { rewriteCall: (call, view) => repaired(call, view, reprompts) } };
  },
};

function repaired(call: CallDraft, view: LoopView, reprompts: number): CallDraft {
  const { problem, ...draft } = call;
  if (problem === undefined) {
    const coerced = isValid(call) ? null : coerceArguments(call.tool.parameters, call.arguments);
    return coerced === null ? call : withOutcome({ ...call, arguments: coerced }, view, 'local-salvage');
  }
  if (!problem.startsWith(UNREADABLE_ARGUMENTS)) return call;
  const salvaged = salvageObject(call.written);
  if (salvaged !== null) {
    const coerced = coerceArguments(call.tool.parameters, salvaged);
    return withOutcome({ ...draft, arguments: coerced ?? salvaged }, view, 'local-salvage');
  }
  if (unreadableSoFar(call.name, view) < reprompts) return withOutcome(call, view, 're-prompt');
  return withOutcome({ ...call, problem: GAVE_UP }, view, 'gave-up');
}

function isValid({ tool, arguments: args }: CallDraft): boolean {
  return checkArguments(tool.parameters, args).length === 0;
}

/** How often in this turn a call of this tool could not be read. */
function unreadableSoFar(name: string, { history }: LoopView): number {
  const turn = currentTurn(history);
  const own = new Set(
    turn.flatMap(({ content }) => content.flatMap((part) => (part.type === 'tool_call' && part.name === name ? [part.id] : []))),
  );
  return turn
    .flatMap(({ content }) => content)
    .filter((part) => part.type === 'tool_result' && own.has(part.tool_call_id) && part.error?.startsWith(UNREADABLE_ARGUMENTS) === true)
    .length;
}

function withOutcome(call: CallDraft, { turn_id }: LoopView, outcome: 'local-salvage' | 're-prompt' | 'gave-up'): CallDraft {
  const event: InStepEvent = { type: 'tool.call_repaired', data: { turn_id, tool_call_id: call.id, tool_name: call.name, outcome } };
  return { ...call, events: [...call.events, event] };
}
