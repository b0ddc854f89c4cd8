import type { Capability, JsonObject, ToolSpec } from '@everruns/agent/capability';
import type { CallDraft } from '@everruns/agent/hooks/hooks';
import { infoOf } from '../config.ts';

const ARGUMENT = 'human_intent';
const MAX_CHARS = 120;

const PROMPT = `Fill in "${ARGUMENT}" in every tool call: one short phrase in the user's language that says what you are doing for them, such as "Looking up the invoice". No tool names, no technical details.`;

const PARAMETER = { type: 'string', description: 'What this call does for the user, in a few words of their language.' };

/** Has the model say, with each tool call, what it is for: people read it while the call runs. */
export const humanIntent: Capability = {
  info: infoOf({
    id: 'human_intent',
    name: 'Human Intent',
    description: 'Shows people in plain words what each tool call is for.',
    category: 'Core',
    icon: 'message-circle',
    system_prompt: PROMPT,
  }),
  resolve: () => ({
    prompt: PROMPT,
    tools: [],
    hooks: { defineTools: (tools) => tools.map(withArgument), rewriteCall: withoutArgument },
  }),
};

function withArgument(tool: ToolSpec): ToolSpec {
  if (definesArgument(tool)) return tool;
  const properties = { ...(tool.parameters.properties as JsonObject | undefined), [ARGUMENT]: PARAMETER };
  return { ...tool, parameters: { ...tool.parameters, properties } };
}

/** The tool never sees the argument, unless it has one of that name itself. */
function withoutArgument(call: CallDraft): CallDraft {
  if (!Object.hasOwn(call.arguments, ARGUMENT) || definesArgument(call.tool)) return call;
  const { [ARGUMENT]: intent, ...rest } = call.arguments;
  const line = typeof intent === 'string' ? intent.replaceAll(/\s+/g, ' ').trim() : '';
  const narration = line.length <= MAX_CHARS ? line : `${line.slice(0, MAX_CHARS - 3)}...`;
  return { ...call, arguments: rest, ...(narration !== '' && { narration }) };
}

function definesArgument({ parameters }: ToolSpec): boolean {
  const { properties } = parameters;
  return typeof properties === 'object' && properties !== null && Object.hasOwn(properties, ARGUMENT);
}
