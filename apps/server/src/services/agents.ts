import { fromPublicId, PlatformError, SLUG, toPublicId } from '@everruns/contract';
import type {
  Agent,
  CapabilityRef,
  CreateAgent,
  Example,
  IdSource,
  PageQuery,
  PutAgent,
  ResourceStats,
  UpdateAgent,
  Uuid,
} from '@everruns/contract';
import {
  agentNameFree,
  archiveAgent,
  deleteAgent,
  findAgent,
  findAgentNamed,
  findSessionParts,
  insertAgent,
  listAgents,
  NO_PARTS,
  readAgentStats,
  updateAgent,
} from '@everruns/storage';
import type { AgentChanges, AgentFields, AgentRow, AgentWithUsage, Database, Page, Queryable, Vault } from '@everruns/storage';
import { checkTools } from './capabilities.ts';
import { keeping } from './capability-rules.ts';
import type { CapabilityRules } from './capability-rules.ts';
import { copyDisplayName, freeCopyName, freeExampleName, pick, underFreeName } from './copies.ts';
import { offeredExamples, presentExample, requireExample } from './examples.ts';
import type { Deployment } from './examples.ts';
import { agentLayer } from './layers.ts';
import type { Linker } from './links.ts';
import { presentAgent } from './present/agent.ts';
import { presentStats } from './present/stats.ts';
import { modelByAlias, requireHarnessReference, requireModel } from './references.ts';
import type { CallerScope } from './scope.ts';
import { sealedServers } from './scoped-mcp-servers.ts';
import { AGENT_EXAMPLES } from './seeds/agents.ts';
import type { AgentExample } from './seeds/agents.ts';

export interface AgentServiceDeps {
  db: Database;
  ids: IdSource;
  link: Linker;
  rules: CapabilityRules;
  vault: Vault;
  deployment: Deployment;
  /** Most agents of an organization; 0 = no limit. */
  limit: number;
}

export interface PutResult {
  agent: Agent;
  created: boolean;
}

export interface AgentService {
  list(scope: CallerScope, query: PageQuery & { tokens: readonly string[]; includeArchived: boolean }): Promise<Page<Agent>>;
  get(scope: CallerScope, idOrName: string): Promise<Agent>;
  /** Creates, or brings the agent with this id, else with this name, to exactly what the request says. */
  apply(scope: CallerScope, request: CreateAgent): Promise<PutResult>;
  /** The same, addressed by id or name. */
  put(scope: CallerScope, idOrName: string, request: PutAgent): Promise<PutResult>;
  update(scope: CallerScope, idOrName: string, request: UpdateAgent): Promise<Agent>;
  archive(scope: CallerScope, idOrName: string): Promise<void>;
  remove(scope: CallerScope, idOrName: string): Promise<void>;
  copy(scope: CallerScope, idOrName: string): Promise<Agent>;
  /** A new agent from an example, under a free name. Throws `not_found` and `capability_unavailable`. */
  importExample(scope: CallerScope, name: string): Promise<Agent>;
  examples(): Example[];
  stats(scope: CallerScope, idOrName: string): Promise<ResourceStats>;
  nameAvailable(scope: CallerScope, name: string, exceptId: Uuid | null): Promise<boolean>;
}

export function createAgentService(deps: AgentServiceDeps): AgentService {
  const { db, ids, link, vault } = deps;

  const insert = async (scope: CallerScope, id: Uuid, given: AgentFields): Promise<Agent | 'taken'> => {
    const fields = { ...given, mcp_servers: await sealedServers(given.mcp_servers, { vault, orgId: scope.orgId }) };
    const row = await insertAgent(db, { id, orgId: scope.orgId, fields, limit: deps.limit });
    if (row === 'taken') return row;
    if (row === 'limit') throw new PlatformError('resource_limit_reached', `An organization can have ${deps.limit} agents.`);
    return presentAgent(row, link);
  };

  const change = async (scope: CallerScope, row: AgentRow, changes: AgentChanges): Promise<Agent> => {
    if (COMPOSED.some((key) => key in changes)) await checkEffective(deps, scope, { ...row, ...changes });
    const { mcp_servers: servers } = changes;
    const sealing = { vault, orgId: scope.orgId, stored: row.mcp_servers };
    const secrets = servers === undefined ? {} : { mcp_servers: await sealedServers(servers, sealing) };
    const updated = await updateAgent(db, scope.orgId, row.id, { ...changes, ...secrets });
    if (updated === 'taken') throw nameTaken(changes.name ?? row.name);
    if (updated === null) throw notFound();
    return presentAgent(updated, link);
  };

  /** A concurrent creator may win between look and insert: then the second look finds its row. */
  const apply = async (scope: CallerScope, request: CreateAgent): Promise<PutResult> => {
    for (let attempt = 0; attempt < 2; attempt++) {
      const existing =
        request.id === undefined ? await findAgentNamed(db, scope.orgId, request.name) : await findAgent(db, scope.orgId, request.id);
      const fields = await newFields(keepingOf(deps, existing?.capabilities), scope, request);
      if (existing !== null) {
        if (existing.status === 'archived') throw archived(existing);
        return { agent: await change(scope, existing, fields), created: false };
      }
      await checkEffective(deps, scope, fields);
      const agent = await insert(scope, request.id ?? ids.next(), fields);
      if (agent !== 'taken') return { agent, created: true };
    }
    throw nameTaken(request.name);
  };

  return {
    async list(scope, query) {
      const page = await listAgents(db, { orgId: scope.orgId, ...query });
      return { total: page.total, rows: page.rows.map((row) => presentAgent(row, link)) };
    },
    get: async (scope, idOrName) => presentAgent(await requireAgent(db, scope.orgId, idOrName), link),
    apply,
    async put(scope, idOrName, request) {
      const id = fromPublicId('agent', idOrName);
      if (id === null && !SLUG.test(idOrName)) throw malformedId();
      if (id !== null) {
        refuseOtherId(request.id, id);
        const name = request.name ?? (await findAgent(db, scope.orgId, id))?.name;
        if (name === undefined) throw new PlatformError('invalid_request', 'A new agent needs a name.', { field: 'name' });
        return apply(scope, { ...request, id, name });
      }
      const existing = await findAgentNamed(db, scope.orgId, idOrName);
      if (existing !== null) refuseOtherId(request.id, existing.id);
      return apply(scope, { ...request, name: request.name ?? idOrName, ...(existing === null ? {} : { id: existing.id }) });
    },
    async update(scope, idOrName, request) {
      const row = await requireAgent(db, scope.orgId, idOrName);
      if (row.status === 'archived' && request.status !== 'active') throw archived(row);
      return change(scope, row, await changesOf(keepingOf(deps, row.capabilities), scope, request));
    },
    async archive(scope, idOrName) {
      const row = await requireAgent(db, scope.orgId, idOrName);
      if (row.status === 'active') await archiveAgent(db, scope.orgId, row.id);
    },
    async remove(scope, idOrName) {
      const row = await requireAgent(db, scope.orgId, idOrName);
      if (await deleteAgent(db, scope.orgId, row.id)) return;
      throw new PlatformError('wrong_state', 'Only an archived agent can be deleted; archive it first.');
    },
    async copy(scope, idOrName) {
      const row = await requireAgent(db, scope.orgId, idOrName);
      await deps.rules.stored(scope, row.capabilities);
      const fields = { ...pick<AgentFields>(row, COPIED), display_name: copyDisplayName(row) };
      return underFreeName(async () => {
        const name = await freeCopyName(row.name, (candidate) => agentNameFree(db, scope.orgId, candidate, null));
        const agent = await insert(scope, ids.next(), { ...fields, name });
        if (agent === 'taken') throw nameTaken(name);
        return agent;
      });
    },
    async importExample(scope, name) {
      const fields = exampleFields(requireExample(AGENT_EXAMPLES, name, deps.deployment));
      return underFreeName(async () => {
        const free = await freeExampleName(name, ids, (candidate) => agentNameFree(db, scope.orgId, candidate, null));
        // With an id of its own: by its name alone it could become a change of somebody else's.
        return (await apply(scope, { ...fields, id: ids.next(), name: free })).agent;
      });
    },
    examples: () => offeredExamples(AGENT_EXAMPLES, deps.deployment).map((example) => presentExample(example, deps.deployment)),
    async stats(scope, idOrName) {
      const row = await requireAgent(db, scope.orgId, idOrName);
      return presentStats(await readAgentStats(db, scope.orgId, row.id));
    },
    nameAvailable: (scope, name, exceptId) => agentNameFree(db, scope.orgId, name, exceptId),
  };
}

function exampleFields(example: AgentExample): Omit<CreateAgent, 'name'> {
  const { displayName, systemPrompt, description, capabilities, tags, mcpServers } = example;
  const texts = { display_name: displayName, system_prompt: systemPrompt, description };
  return { ...texts, capabilities, tags, ...(mcpServers !== undefined && { mcpServers }) };
}

/** The path and the body of a PUT must mean the same agent. */
function refuseOtherId(given: Uuid | undefined, id: Uuid): void {
  if (given === undefined || given === id) return;
  throw new PlatformError('conflicting_parameters', 'The id is another one than that of the agent in the path.', { field: 'id' });
}

/** Throws `malformed_id` for what is neither an id of an agent nor a name, and `not_found`. */
export async function requireAgent(db: Queryable, orgId: Uuid, idOrName: string): Promise<AgentWithUsage> {
  const id = fromPublicId('agent', idOrName);
  if (id === null && !SLUG.test(idOrName)) throw malformedId();
  const row = id === null ? await findAgentNamed(db, orgId, idOrName) : await findAgent(db, orgId, id);
  if (row === null) throw notFound();
  return row;
}

/** What goes into the composition of an agent; a change of anything else cannot break it. */
const COMPOSED = ['capabilities', 'tools', 'harness_id', 'initial_files', 'mcp_servers'] as const satisfies readonly (keyof AgentFields)[];

/** The agent on its harness has to make a configuration that can run. */
async function checkEffective(deps: AgentServiceDeps, scope: CallerScope, fields: AgentFields): Promise<void> {
  const { layers } = await findSessionParts(deps.db, { ...NO_PARTS, orgId: scope.orgId, harnessId: fields.harness_id });
  await deps.rules.effective(scope, [...layers, agentLayer(fields)]);
}

/** For an agent that is there already. */
function keepingOf(deps: AgentServiceDeps, kept: readonly CapabilityRef[] | undefined): AgentServiceDeps {
  return { ...deps, rules: keeping(deps.rules, kept) };
}

async function newFields(deps: AgentServiceDeps, scope: CallerScope, request: CreateAgent): Promise<AgentFields> {
  const { harness_id, default_model_id, capabilities } = await references(deps, scope, request);
  return {
    name: request.name,
    display_name: request.display_name ?? null,
    description: request.description ?? null,
    system_prompt: request.system_prompt,
    harness_id: harness_id ?? null,
    default_model_id: default_model_id ?? null,
    capabilities: capabilities ?? [],
    initial_files: request.initial_files ?? [],
    tools: request.tools ?? [],
    tags: request.tags ?? [],
    mcp_servers: request.mcpServers ?? null,
    network_access: request.network_access ?? null,
    max_iterations: request.max_iterations ?? null,
    parallel_tool_calls: request.parallel_tool_calls ?? null,
  };
}

/** Members that the request does not have stay as they are; null clears. */
async function changesOf(deps: AgentServiceDeps, scope: CallerScope, request: UpdateAgent): Promise<AgentChanges> {
  const named = await references(deps, scope, request);
  const { mcpServers, model: _model, harness_name: _harnessName, ...rest } = request;
  return {
    ...rest,
    ...(mcpServers === undefined ? {} : { mcp_servers: mcpServers }),
    ...named,
  } as AgentChanges;
}

interface References {
  harness_id?: Uuid | null;
  default_model_id?: Uuid | null;
  capabilities?: CapabilityRef[];
}

/** Checks everything that the request refers to. Undefined = the request does not say. */
async function references(deps: AgentServiceDeps, scope: CallerScope, request: UpdateAgent): Promise<References> {
  const { db } = deps;
  checkTools(request.tools);
  const result: References = {};
  if (request.capabilities !== undefined) result.capabilities = await deps.rules.stored(scope, request.capabilities);
  const harness = await requireHarnessReference(db, scope.orgId, { id: request.harness_id, name: request.harness_name });
  if (harness !== null) result.harness_id = harness.id;
  else if (request.harness_id === null || request.harness_name === null) result.harness_id = null;
  if (request.default_model_id != null) {
    await requireModel(db, scope.orgId, request.default_model_id, 'default_model_id');
    result.default_model_id = request.default_model_id;
  } else if (request.model != null) {
    result.default_model_id = await modelByAlias(db, scope.orgId, request.model, (id) => fromPublicId('model', id));
  } else if (request.default_model_id === null) {
    result.default_model_id = null;
  }
  return result;
}

const COPIED = [
  'name',
  'display_name',
  'description',
  'system_prompt',
  'harness_id',
  'default_model_id',
  'capabilities',
  'initial_files',
  'tools',
  'tags',
  'mcp_servers',
  'network_access',
  'max_iterations',
  'parallel_tool_calls',
] as const satisfies readonly (keyof AgentFields)[];

function malformedId(): PlatformError {
  return new PlatformError('malformed_id', 'Expected agent_ and 32 hex digits, or a name.', { field: 'id_or_name' });
}

function notFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such agent.');
}

function nameTaken(name: string): PlatformError {
  return new PlatformError('name_taken', `Another agent has the name "${name}", or this id was deleted.`, { field: 'name' });
}

function archived(row: AgentRow): PlatformError {
  return new PlatformError('wrong_state', `The agent ${toPublicId('agent', row.id)} is archived; set its status to active first.`);
}
