import type { Schemas } from '../../data/queries.ts';
import { linesOf } from './schema-form.ts';

type Agent = Schemas['Agent'];
type Harness = Schemas['Harness'];
export type CapabilityUse = Agent['capabilities'][number];
export type StarterFile = Agent['initial_files'][number];
export type ClientTools = Agent['tools'];
export type ScopedServers = NonNullable<Agent['mcpServers']>;

/** What the editor holds while somebody writes: texts as they are typed, empty for "not said". */
export interface Draft {
  name: string;
  displayName: string;
  description: string;
  prompt: string;
  /** The harness of an agent, the parent of a harness. */
  base: string;
  modelId: string;
  capabilities: readonly CapabilityUse[];
  tools: ClientTools;
  mcpServers: ScopedServers;
  tags: string;
  maxIterations: string;
  parallel: '' | 'yes' | 'no';
  /** Hosts, one a line. Null: no such list. */
  allowed: string | null;
  blocked: string | null;
  files: readonly StarterFile[];
}

export const EMPTY_DRAFT: Draft = {
  name: '',
  displayName: '',
  description: '',
  prompt: '',
  base: '',
  modelId: '',
  capabilities: [],
  tools: [],
  mcpServers: {},
  tags: '',
  maxIterations: '',
  parallel: '',
  allowed: null,
  blocked: null,
  files: [],
};

function sharedDraft(of: Agent | Harness): Omit<Draft, 'base' | 'tools' | 'maxIterations'> {
  const { allowed, blocked } = of.network_access ?? {};
  return {
    name: of.name,
    displayName: of.display_name ?? '',
    description: of.description ?? '',
    prompt: of.system_prompt ?? '',
    modelId: of.default_model_id ?? '',
    capabilities: of.capabilities,
    mcpServers: of.mcpServers ?? {},
    tags: of.tags.join(', '),
    parallel: of.parallel_tool_calls === undefined ? '' : of.parallel_tool_calls ? 'yes' : 'no',
    allowed: allowed?.join('\n') ?? null,
    blocked: blocked?.join('\n') ?? null,
    files: of.initial_files,
  };
}

export function draftOfAgent(agent: Agent): Draft {
  return {
    ...sharedDraft(agent),
    base: agent.harness_is_explicit ? agent.harness_id : '',
    tools: agent.tools,
    maxIterations: agent.max_iterations?.toString() ?? '',
  };
}

export function draftOfHarness(harness: Harness): Draft {
  return { ...sharedDraft(harness), base: harness.parent_harness_id ?? '', tools: [], maxIterations: '' };
}

function orNull(text: string): string | null {
  return text.trim() === '' ? null : text.trim();
}

function sharedBody(draft: Draft) {
  const network = {
    ...(draft.allowed !== null && { allowed: linesOf(draft.allowed) }),
    ...(draft.blocked !== null && { blocked: linesOf(draft.blocked) }),
  };
  return {
    name: draft.name.trim(),
    display_name: orNull(draft.displayName),
    description: orNull(draft.description),
    default_model_id: orNull(draft.modelId),
    ...layer(draft),
    tags: tagsOf(draft.tags),
    network_access: Object.keys(network).length === 0 ? null : network,
  };
}

function layer(draft: Draft) {
  return {
    capabilities: [...draft.capabilities],
    mcpServers: Object.keys(draft.mcpServers).length === 0 ? null : draft.mcpServers,
    initial_files: draft.files.filter(({ path }) => path.trim() !== ''),
    parallel_tool_calls: draft.parallel === '' ? null : draft.parallel === 'yes',
  };
}

export function tagsOf(text: string): string[] {
  return [
    ...new Set(
      text
        .split(',')
        .map((tag) => tag.trim())
        .filter((tag) => tag !== ''),
    ),
  ];
}

export function agentBody(draft: Draft): Schemas['CreateAgent'] {
  return {
    ...sharedBody(draft),
    system_prompt: draft.prompt,
    harness_id: orNull(draft.base),
    tools: draft.tools,
    max_iterations: draft.maxIterations === '' ? null : Number(draft.maxIterations),
  };
}

export function harnessBody(draft: Draft): Schemas['CreateHarness'] {
  return { ...sharedBody(draft), system_prompt: orNull(draft.prompt), parent_harness_id: orNull(draft.base) };
}

/** What a preview is made from: the parts that change what a model is told. */
export function previewBody(draft: Draft) {
  const { network_access } = sharedBody(draft);
  return { ...layer(draft), system_prompt: draft.prompt, default_model_id: orNull(draft.modelId), network_access };
}

/** A name that an agent may have, made from what people call it. */
export function nameFrom(title: string): string {
  return title
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 64)
    .replaceAll(/^-|-$/g, '');
}

/** Moves one to where another is. */
export function moved<T>(list: readonly T[], from: number, to: number): readonly T[] {
  const rest = list.filter((_, at) => at !== from);
  const one = list[from];
  return one === undefined || to < 0 || to >= list.length ? list : [...rest.slice(0, to), one, ...rest.slice(to)];
}
