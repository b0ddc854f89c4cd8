import { toolError, type Capability, type JsonObject, type ResolvedCapability, type ToolSpec } from '@everruns/agent/capability';
import type { CallDraft, LoopView } from '@everruns/agent/hooks/hooks';
import { checkArguments } from '@everruns/agent/tools/check-arguments';
import { infoOf, numberRefusal, schemaRefusal, wholeNumber } from '../config.ts';
import { deferredTools, TOOL_SEARCH, type DeferralRules } from './deferred.ts';
import { findTools } from './find-tools.ts';

const THRESHOLD = { min: 1, max: 1_000, otherwise: 15 };
const RESULTS = { min: 1, max: 20, otherwise: 5 };

const toolSearch: ToolSpec = {
  name: TOOL_SEARCH,
  display_name: 'Search tools',
  category: 'Optimization',
  description: 'Finds tools by what they do, or by name, and shows their parameters in full.',
  parameters: {
    type: 'object',
    additionalProperties: false,
    required: ['query'],
    properties: {
      query: { type: 'string', description: 'A few words for what the tool should do, or its exact name.' },
      max_results: { type: 'integer', minimum: RESULTS.min, maximum: RESULTS.max, description: `Default ${RESULTS.otherwise}.` },
    },
  },
  hints: { readonly: true },
  deferrable: 'never',
  narration: { present: 'Looking for a tool', past: 'Looked for a tool' },
};

const PROMPT = `When a tool's description says so, its parameters are not shown yet: ask ${TOOL_SEARCH} for them before you call it.`;

const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    threshold: {
      type: 'integer',
      minimum: THRESHOLD.min,
      maximum: THRESHOLD.max,
      description: 'Parameters are held back when there are at least so many tools. Default 15.',
    },
    never_defer: {
      type: 'array',
      items: { type: 'string' },
      description: 'Names of tools whose parameters are always shown; "mcp_docs__*" stands for all that begin so.',
    },
  },
};

function checkConfig(config: JsonObject): string | null {
  return schemaRefusal(CONFIG_SCHEMA, config) ?? numberRefusal('threshold', config.threshold, THRESHOLD);
}

const shared = { category: 'Optimization', icon: 'search', tools: [toolSearch], config_schema: CONFIG_SCHEMA, system_prompt: PROMPT };

/** Holds back the parameters of most tools until the model looks for them. */
export const toolSearchCapability: Capability = {
  info: infoOf({
    id: 'tool_search',
    name: 'Tool Search',
    description: 'Keeps prompts short where there are many tools: the model looks up the parameters of those it needs.',
    ...shared,
  }),
  checkConfig,
  resolve: (config) => contribution(config),
};

/** The same for every model: none of the drivers has a search of its own. Steps back where `tool_search` is chosen too. */
export const autoToolSearch: Capability = {
  info: infoOf({
    id: 'auto_tool_search',
    name: 'Auto Tool Search',
    description: 'Keeps prompts short as soon as there are many tools, in the way that suits the model.',
    ...shared,
  }),
  checkConfig,
  resolve: (config, { active }) => (active?.has('tool_search') === true ? { tools: [] } : contribution(config)),
};

function contribution({ threshold, never_defer: names }: JsonObject): ResolvedCapability {
  const neverDefer = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  const rules: DeferralRules = { threshold: wholeNumber(threshold, THRESHOLD), neverDefer };
  return {
    prompt: PROMPT,
    // Its calls are answered where all tools are known; one that comes here has arguments that cannot be right.
    tools: [{ definition: toolSearch, execute: () => toolError('The tools could not be searched. Send the call again.') }],
    request: { tool_search: { enabled: true, threshold: rules.threshold } },
    hooks: {
      defineTools: (tools, { history }) => deferredTools(tools, history, rules),
      rewriteCall: answered,
    },
  };
}

function answered(call: CallDraft, { tools }: LoopView): CallDraft {
  if (call.name !== TOOL_SEARCH || call.problem !== undefined) return call;
  const problems = checkArguments(toolSearch.parameters, call.arguments);
  if (problems.length > 0) return { ...call, problem: `The arguments of ${TOOL_SEARCH} are not valid: ${problems.join('; ')}.` };
  const { query, max_results: max } = call.arguments;
  const searched = tools.filter(({ name }) => name !== TOOL_SEARCH);
  return { ...call, answer: findTools(searched, query as string, wholeNumber(max, RESULTS)) };
}
