import { toPublicId } from '@everruns/contract';
import type { ConfigLayer, Uuid } from '@everruns/contract';
import type { AgentFields, HarnessFields, SessionFields } from '@everruns/storage';

/** Configuration that is not stored yet as a layer of the fold. The id is empty where there is none yet. */

type Shared = Pick<SessionFields, 'capabilities' | 'initial_files' | 'mcp_servers' | 'network_access' | 'parallel_tool_calls'>;

export function harnessLayer(fields: HarnessFields, id?: Uuid): ConfigLayer {
  return {
    tier: 'harness',
    id: id === undefined ? '' : toPublicId('harness', id),
    name: fields.name,
    ...shared(fields),
    ...given('system_prompt', fields.system_prompt),
    ...given('embedder_metadata', fields.embedder_metadata),
  };
}

export function agentLayer(fields: AgentFields, id?: Uuid): ConfigLayer {
  return {
    tier: 'agent',
    id: id === undefined ? '' : toPublicId('agent', id),
    name: fields.name,
    system_prompt: fields.system_prompt,
    tools: fields.tools,
    ...shared(fields),
    ...given('max_iterations', fields.max_iterations),
  };
}

export function sessionLayer(fields: SessionFields, id?: Uuid): ConfigLayer {
  return {
    tier: 'session',
    id: id === undefined ? '' : toPublicId('session', id),
    tools: fields.tools,
    ...shared(fields),
    ...given('system_prompt', fields.system_prompt),
    ...given('goal', fields.goal),
    ...given('max_iterations', fields.max_iterations),
  };
}

function shared(fields: Shared): Partial<ConfigLayer> {
  return {
    capabilities: fields.capabilities,
    initial_files: (fields.initial_files as { path: string }[]).map(({ path }) => ({ path })),
    ...given('mcp_servers', fields.mcp_servers as ConfigLayer['mcp_servers'] | null),
    ...given('network_access', fields.network_access),
    ...given('parallel_tool_calls', fields.parallel_tool_calls),
  };
}

function given<K extends keyof ConfigLayer>(key: K, value: ConfigLayer[K] | null): Partial<Pick<ConfigLayer, K>> {
  return value == null ? {} : ({ [key]: value } as Partial<Pick<ConfigLayer, K>>);
}
