import type { CapabilityRef, ConfigLayer, ErrorDisclosure, PlannedCall, ToolDefinition } from '@everruns/contract';
import type { Capability, CapabilityRegistry, JsonObject, ResolveContext, ResolvedCapability, ToolSpec } from '../capability.ts';
import { isRecord, present } from '../objects.ts';
import { foldLayers, type FoldedConfig } from './layers.ts';
import { composeSystemPrompt, type PromptSection } from './system-prompt.ts';

export const DEFAULT_MAX_ITERATIONS = 500;
const MAX_CAPABILITIES = 100;

/** A tool as the loop sees it: what the model is told, and how its calls may be run. */
export interface RuntimeTool {
  spec: ToolSpec;
  side: PlannedCall['side'];
  effect: PlannedCall['effect'];
  capability?: { ref: string; config?: unknown; name: string };
}

/** The three tiers as one agent. */
export interface RuntimeAgent {
  systemPrompt: string;
  tools: RuntimeTool[];
  maxIterations: number;
  parallelToolCalls?: boolean;
  /** Sent with model requests, below what the platform itself sends. */
  embedderMetadata: Record<string, string>;
  errorDisclosure: ErrorDisclosure;
  /** Capability ids that nothing is registered under; they contribute nothing. */
  unknownCapabilities: string[];
}

/** A configuration that cannot be run as it stands; repeating the step would not help. */
export interface AssemblyProblem {
  code: 'duplicate_tool' | 'dependency_cycle' | 'too_many_capabilities' | 'capability_failed';
  text: string;
}

export type Assembly = { agent: RuntimeAgent } | { problem: AssemblyProblem };

export interface AssemblyInput {
  /** Base first: harness root, ..., harness leaf, agent, session. */
  layers: readonly ConfigLayer[];
  capabilities: CapabilityRegistry;
  context: ResolveContext;
}

interface Chosen {
  ref: CapabilityRef;
  section: number;
}

interface Placed extends Chosen {
  capability: Capability;
}

export async function assembleRuntimeAgent(input: AssemblyInput): Promise<Assembly> {
  const folded = foldLayers(input.layers);
  const placement = placeCapabilities(folded, input.capabilities);
  if ('problem' in placement) return placement;
  const resolved: { placed: Placed; contribution: ResolvedCapability }[] = [];
  for (const placed of placement.placed) {
    try {
      resolved.push({ placed, contribution: await placed.capability.resolve(configOf(placed.ref), input.context) });
    } catch (error) {
      return problem('capability_failed', `Capability "${placed.ref.ref}" cannot be used: ${String(error)}`);
    }
  }
  const tools = collectTools(resolved, folded);
  const duplicate = findDuplicate(tools);
  if (duplicate !== null) return problem('duplicate_tool', duplicate);
  const sections: PromptSection[] = folded.sections.map((section, index) => ({
    ...present({ tier: section.tier, prompt: section.prompt }),
    capabilities: resolved.flatMap(({ placed, contribution }) => {
      const prompt = placed.section === index ? contribution.prompt?.trim() : undefined;
      return prompt ? [{ id: placed.ref.ref, prompt }] : [];
    }),
  }));
  const agent = present({
    systemPrompt: composeSystemPrompt(sections),
    tools,
    maxIterations: folded.maxIterations ?? DEFAULT_MAX_ITERATIONS,
    parallelToolCalls: folded.parallelToolCalls,
    embedderMetadata: folded.embedderMetadata,
    errorDisclosure: resolved.findLast(({ contribution }) => contribution.error_disclosure)?.contribution.error_disclosure ?? 'standard',
    unknownCapabilities: placement.unknown,
  });
  return { agent };
}

/** Which capabilities contribute, base first, each after what it depends on; a dependency that nobody chose stands beside its dependent. */
function placeCapabilities(
  folded: FoldedConfig,
  registry: CapabilityRegistry,
): { placed: Placed[]; unknown: string[] } | { problem: AssemblyProblem } {
  const chosen = new Map<string, Chosen>();
  folded.sections.forEach(({ capabilities }, section) => {
    for (const ref of capabilities) chosen.set(ref.ref, { ref, section });
  });
  const placed = new Map<string, Placed>();
  const unknown: string[] = [];
  const path: string[] = [];
  const place = ({ ref, section }: Chosen): AssemblyProblem | null => {
    if (placed.has(ref.ref)) return null;
    if (path.includes(ref.ref)) {
      return { code: 'dependency_cycle', text: `Capabilities depend on each other: ${[...path, ref.ref].join(' -> ')}.` };
    }
    const capability = registry.get(ref.ref);
    if (capability === undefined) unknown.push(ref.ref);
    if (capability === undefined || !contributes(capability)) return null;
    path.push(ref.ref);
    for (const dependency of capability.info.dependencies) {
      const failure = place(chosen.get(dependency) ?? { ref: { ref: dependency }, section });
      if (failure !== null) return failure;
    }
    path.pop();
    placed.set(ref.ref, { capability, ref, section });
    return null;
  };
  for (const choice of chosen.values()) {
    const failure = place(choice);
    if (failure !== null) return { problem: failure };
  }
  if (placed.size > MAX_CAPABILITIES) {
    return problem('too_many_capabilities', `${placed.size} capabilities are active; the limit is ${MAX_CAPABILITIES}.`);
  }
  return { placed: [...placed.values()], unknown };
}

function contributes({ info }: Capability): boolean {
  return info.status === 'available' || info.status === 'deprecated';
}

function collectTools(resolved: readonly { placed: Placed; contribution: ResolvedCapability }[], folded: FoldedConfig): RuntimeTool[] {
  const builtIn = resolved.flatMap(({ placed, contribution }) =>
    contribution.tools.map(({ definition }): RuntimeTool => ({
      spec: definition,
      side: 'server',
      effect: effectOf(definition.hints),
      capability: present({ ref: placed.ref.ref, config: placed.ref.config, name: placed.capability.info.name }),
    })),
  );
  const client = folded.tools.map(({ definition }): RuntimeTool => ({
    spec: clientSpec(definition),
    side: 'client',
    effect: effectOf(definition.hints),
  }));
  return [...builtIn, ...client];
}

function clientSpec(definition: ToolDefinition): ToolSpec {
  const { name, description, display_name, category, hints } = definition;
  return { ...present({ name, description, display_name, category, hints }), parameters: definition.parameters as JsonObject };
}

/** Only a tool that says so may be repeated after an unknown outcome. */
function effectOf(hints: ToolDefinition['hints']): PlannedCall['effect'] {
  if (hints?.readonly === true || hints?.side_effect_class === 'Pure') return 'readonly';
  if (hints?.idempotent === true || hints?.side_effect_class === 'Idempotent') return 'idempotent';
  return 'unsafe';
}

function findDuplicate(tools: readonly RuntimeTool[]): string | null {
  const seen = new Map<string, RuntimeTool>();
  for (const tool of tools) {
    const first = seen.get(tool.spec.name);
    if (first !== undefined)
      return `Two tools are named "${tool.spec.name}": ${originOf(first)} and ${originOf(tool)}. Rename or remove one.`;
    seen.set(tool.spec.name, tool);
  }
  return null;
}

function originOf(tool: RuntimeTool): string {
  return tool.capability === undefined ? 'a client-side tool' : `the one of capability "${tool.capability.ref}"`;
}

function configOf(ref: CapabilityRef): JsonObject {
  return isRecord(ref.config) ? (ref.config as JsonObject) : {};
}

function problem(code: AssemblyProblem['code'], text: string): { problem: AssemblyProblem } {
  return { problem: { code, text } };
}
