import type { CapabilityInfo as RegisteredInfo, CapabilityRegistry, JsonObject } from '@everruns/agent';
import { PlatformError } from '@everruns/contract';
import type { CapabilityInfo, CapabilityRef, CapabilityView, PageQuery, ToolDefinition } from '@everruns/contract';
import type { Page } from '@everruns/storage';
import type { Linker } from './links.ts';

/** Refuses references that nothing is registered under, configurations the capability does not take, and one capability twice. */
export function checkCapabilities(refs: readonly CapabilityRef[] | undefined, registry: CapabilityRegistry): void {
  const seen = new Set<string>();
  (refs ?? []).forEach(({ ref, config }, index) => {
    const field = `capabilities.${index}`;
    const capability = registry.get(ref);
    if (capability === undefined)
      throw new PlatformError('unknown_capability', `There is no capability "${ref}".`, { field: `${field}.ref` });
    if (seen.has(ref)) throw new PlatformError('invalid_request', `The capability "${ref}" is given twice.`, { field: `${field}.ref` });
    seen.add(ref);
    if (config === undefined || config === null) return;
    if (typeof config !== 'object' || Array.isArray(config)) {
      throw new PlatformError('invalid_request', 'Expected a JSON object.', { field: `${field}.config` });
    }
    const refusal = capability.checkConfig?.(config as JsonObject) ?? null;
    if (refusal !== null) throw new PlatformError('invalid_request', refusal, { field: `${field}.config` });
  });
}

/** What all model providers take as the name of a tool. */
const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Public configuration carries client-side tools only, each name once; the platform's own tools come from capabilities. */
export function checkTools(tools: readonly ToolDefinition[] | undefined): void {
  const seen = new Set<string>();
  (tools ?? []).forEach(({ name, type, parameters }, index) => {
    const field = `tools.${index}`;
    if (type !== 'client_side') {
      throw new PlatformError('invalid_request', 'Only client_side tools can be given; others come from capabilities.', {
        field: `${field}.type`,
      });
    }
    if (!TOOL_NAME.test(name)) {
      throw new PlatformError('invalid_request', 'Expected 1 to 64 letters, digits, _ or -: no model accepts another name.', {
        field: `${field}.name`,
      });
    }
    if (parameters['type'] !== undefined && parameters['type'] !== 'object') {
      throw new PlatformError('invalid_request', 'The parameters of a tool are a JSON Schema of type "object".', {
        field: `${field}.parameters.type`,
      });
    }
    if (seen.has(name)) throw new PlatformError('invalid_request', `The tool "${name}" is given twice.`, { field: `${field}.name` });
    seen.add(name);
  });
}

export interface CapabilityService {
  list(query: PageQuery & { tokens: readonly string[] }): Page<CapabilityView>;
  /** Throws `not_found`. */
  get(id: string): CapabilityView;
}

export function createCapabilityService(registry: CapabilityRegistry, link: Linker): CapabilityService {
  const view = (info: RegisteredInfo): CapabilityView => ({
    ...publicInfo(info),
    ...link({ path: `capabilities/${info.id}`, actions: [{ rel: 'self', method: 'GET', operation: 'getCapability' }] }),
  });
  return {
    list({ tokens, offset, limit }) {
      const found = registry.list().filter(({ info }) => info.status !== 'retired' && matches(info, tokens));
      return { total: found.length, rows: found.slice(offset, offset + limit).map(({ info }) => view(info)) };
    },
    get(id) {
      const capability = registry.get(id);
      if (capability === undefined) throw new PlatformError('not_found', `There is no capability "${id}".`);
      return view(capability.info);
    },
  };
}

function publicInfo(info: RegisteredInfo): CapabilityInfo {
  return {
    id: info.id,
    name: info.name,
    description: info.description,
    status: info.status,
    ...(info.category === undefined ? {} : { category: info.category }),
    ...(info.icon === undefined ? {} : { icon: info.icon }),
    ...(info.system_prompt === undefined ? {} : { system_prompt: info.system_prompt }),
    ...(info.tools.length === 0
      ? {}
      : { tool_definitions: info.tools.map(({ name, description, parameters }) => ({ name, description, parameters })) }),
    ...(info.dependencies.length === 0 ? {} : { dependencies: info.dependencies }),
    ...(info.features.length === 0 ? {} : { features: info.features }),
    ...(info.config_schema === undefined ? {} : { config_schema: info.config_schema }),
    ...(info.risk_level === 'low' ? {} : { risk_level: info.risk_level }),
  };
}

function matches(info: RegisteredInfo, tokens: readonly string[]): boolean {
  const text = `${info.name} ${info.description}`.toLowerCase();
  return tokens.every((token) => text.includes(token.toLowerCase()));
}
