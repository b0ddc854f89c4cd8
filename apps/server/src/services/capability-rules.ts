import { isDeepStrictEqual } from 'node:util';
import { assembleRuntimeAgent, canonicalCapabilityId } from '@everruns/agent';
import type { AssemblyProblem, Capability, CapabilityRegistry, JsonObject, RuntimeAgent } from '@everruns/agent';
import { PlatformError, toPublicId } from '@everruns/contract';
import type { CapabilityRef, ConfigLayer, ErrorCode, SessionApprovals, SkillSummary } from '@everruns/contract';
import type { ConfigSchemas } from './config-schemas.ts';
import { createConfigSchemas } from './config-schemas.ts';
import type { Grade } from './model-resolution.ts';
import type { CallerScope } from './scope.ts';

export interface CapabilityRulesDeps {
  registry: CapabilityRegistry;
  grade: Grade;
  schemas?: ConfigSchemas;
  /** May this caller give an agent capabilities of high risk? Default: everybody may. */
  mayAssignHighRisk?: (scope: CallerScope) => boolean;
  /** Is there something of the organization behind a reference with a colon, such as `mcp:<id>`? Default: nothing. */
  isVirtual?: (scope: CallerScope, ref: string) => Promise<boolean>;
  /** Why a configuration names what the organization does not have, or null; default: it is not looked at. */
  refusedConfig?: (scope: CallerScope, id: string, config: JsonObject) => Promise<string | null>;
  /** Why the address of an MCP server is refused, or null; default: none is. */
  refusedAddress?: (url: string) => string | null;
}

export interface EffectiveContext {
  sessionId?: string;
  locale?: string;
  approvals?: SessionApprovals;
  skills?: readonly SkillSummary[];
  /** The registry with what only this configuration has, such as MCP servers. */
  equip?: (registry: CapabilityRegistry) => CapabilityRegistry;
}

/** What has to hold for a configuration before it is stored. */
export interface CapabilityRules {
  /**
   * The references as they are stored. Throws `unknown_capability`, `capability_unavailable`, `invalid_capability_config`, `forbidden` and,
   * for one capability twice, `invalid_request`. `kept` is what is stored already: whoever may not assign capabilities of high risk may leave
   * these as they are.
   */
  stored(scope: CallerScope, refs: readonly CapabilityRef[] | undefined, kept?: readonly CapabilityRef[]): Promise<CapabilityRef[]>;
  /**
   * What these layers become, base first, as a turn would assemble them. Throws `capability_unavailable`, `duplicate_tool`,
   * `dependency_cycle`, `too_many_capabilities` and `invalid_capability_config`.
   */
  effective(scope: CallerScope, layers: readonly ConfigLayer[], about?: EffectiveContext): Promise<RuntimeAgent>;
  /** Is it offered at all in this deployment? */
  offers: (capability: Capability) => boolean;
}

/** Experimental ones are for grade dev alone. */
export function isOffered({ info }: Capability, grade: Grade): boolean {
  return info.experimental !== true || grade === 'dev';
}

export function createCapabilityRules(deps: CapabilityRulesDeps): CapabilityRules {
  const { registry, grade } = deps;
  const schemas = deps.schemas ?? createConfigSchemas();
  const offers = (capability: Capability): boolean => isOffered(capability, grade);

  const requireKnown = async (scope: CallerScope, ref: string, field: string): Promise<Capability | null> => {
    const capability = registry.get(ref);
    if (capability === undefined && ref.includes(':') && (await deps.isVirtual?.(scope, ref)) === true) return null;
    if (capability === undefined) throw new PlatformError('unknown_capability', `There is no capability "${ref}".`, { field });
    if (!offers(capability)) throw unavailable(ref, field);
    return capability;
  };

  return {
    offers,
    async stored(scope, refs = [], kept = []) {
      const result: CapabilityRef[] = [];
      const highRisk: string[] = [];
      for (const [index, entry] of refs.entries()) {
        const field = `capabilities.${index}`;
        const ref = canonicalCapabilityId(entry.ref);
        const capability = await requireKnown(scope, ref, `${field}.ref`);
        if (result.some((earlier) => earlier.ref === ref)) {
          throw new PlatformError('invalid_request', `The capability "${ref}" is given twice.`, { field: `${field}.ref` });
        }
        if (!isKept({ ...entry, ref }, kept)) highRisk.push(...highRiskOf(registry, ref));
        await checkConfig(schemas, { capability, config: entry.config, field: `${field}.config` });
        const refusal = (await deps.refusedConfig?.(scope, ref, (entry.config ?? {}) as JsonObject)) ?? null;
        if (refusal !== null) throw new PlatformError('invalid_capability_config', refusal, { field: `${field}.config` });
        result.push(entry.config == null ? { ref } : { ...entry, ref });
      }
      if (highRisk.length > 0 && deps.mayAssignHighRisk?.(scope) === false) {
        const text = `Only an administrator may assign capabilities of high risk, or change how they are set: ${[...new Set(highRisk)].join(', ')}.`;
        throw new PlatformError('forbidden', text, { field: 'capabilities' });
      }
      return result;
    },
    async effective(scope, layers, about = {}) {
      const capabilities = about.equip?.(registry) ?? registry;
      const assembly = await assembleRuntimeAgent({
        layers,
        capabilities,
        context: {
          session_id: about.sessionId ?? '',
          org_id: toPublicId('organization', scope.orgId),
          ...(about.locale === undefined ? {} : { locale: about.locale }),
          ...(about.approvals === undefined ? {} : { approvals: about.approvals }),
          ...(about.skills === undefined ? {} : { skills: about.skills }),
        },
      });
      if ('problem' in assembly) throw refusalOf(assembly.problem);
      // Also what comes along as a dependency. Rather refused than left out: a session without what it was made for helps nobody.
      for (const { ref } of assembly.agent.capabilities) {
        const capability = registry.get(ref);
        if (capability !== undefined && !offers(capability)) throw unavailable(ref, 'capabilities');
      }
      checkMcpServers(assembly.agent.mcpServers, deps.refusedAddress);
      return assembly.agent;
    },
  };
}

/** The same rules where these capabilities are there already, or nothing is going to be stored. */
export function keeping(rules: CapabilityRules, kept: readonly CapabilityRef[] | undefined): CapabilityRules {
  return { ...rules, stored: (scope, refs) => rules.stored(scope, refs, kept) };
}

function isKept({ ref, config }: CapabilityRef, kept: readonly CapabilityRef[]): boolean {
  return kept.some((entry) => canonicalCapabilityId(entry.ref) === ref && isDeepStrictEqual(entry.config ?? {}, config ?? {}));
}

/** The capability itself and what comes along with it. */
function highRiskOf(registry: CapabilityRegistry, ref: string, seen = new Set<string>()): string[] {
  const capability = registry.get(ref);
  if (capability === undefined || seen.has(ref)) return [];
  seen.add(ref);
  const { risk_level, dependencies } = capability.info;
  return [...(risk_level === 'high' ? [ref] : []), ...dependencies.flatMap((dependency) => highRiskOf(registry, dependency, seen))];
}

function checkMcpServers(servers: RuntimeAgent['mcpServers'], refusedAddress: CapabilityRulesDeps['refusedAddress']): void {
  for (const [name, { url }] of Object.entries(servers)) {
    const refusal = typeof url === 'string' ? (refusedAddress?.(url) ?? null) : null;
    if (refusal !== null) throw new PlatformError('invalid_request', refusal, { field: `mcpServers.${name}.url` });
  }
}

interface ConfigPlace {
  /** Null for a reference to something of the organization: it has no configuration. */
  capability: Capability | null;
  config: unknown;
  field: string;
}

async function checkConfig(schemas: ConfigSchemas, { capability, config, field }: ConfigPlace): Promise<void> {
  if (config === undefined || config === null) return;
  if (typeof config !== 'object' || Array.isArray(config)) {
    throw new PlatformError('invalid_request', 'Expected a JSON object.', { field });
  }
  const schema = capability?.info.config_schema;
  const mismatch = schema === undefined ? null : await schemas.check(schema, config);
  if (mismatch !== null) {
    const at = mismatch.path === '' ? field : `${field}.${mismatch.path}`;
    throw new PlatformError('invalid_capability_config', mismatch.message, { field: at });
  }
  const refusal = capability?.checkConfig?.(config as JsonObject) ?? null;
  if (refusal !== null) throw new PlatformError('invalid_capability_config', refusal, { field });
}

const FIELDS: Readonly<Record<AssemblyProblem['code'], [ErrorCode, string]>> = {
  duplicate_tool: ['duplicate_tool', 'tools'],
  dependency_cycle: ['dependency_cycle', 'capabilities'],
  too_many_capabilities: ['too_many_capabilities', 'capabilities'],
  capability_failed: ['invalid_capability_config', 'capabilities'],
};

function refusalOf({ code, text }: AssemblyProblem): PlatformError {
  const [public_, field] = FIELDS[code];
  return new PlatformError(public_, text, { field });
}

function unavailable(ref: string, field: string): PlatformError {
  return new PlatformError('capability_unavailable', `The capability "${ref}" is experimental and offered in grade dev only.`, { field });
}
