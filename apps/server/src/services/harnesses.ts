import { fromPublicId, PlatformError, SLUG } from '@everruns/contract';
import type { CreateHarness, Example, Harness, IdSource, ResourceStats, UpdateHarness, Uuid } from '@everruns/contract';
import {
  archiveHarness,
  deleteHarness,
  findHarness,
  findHarnessNamed,
  findSessionParts,
  harnessAncestors,
  harnessNameFree,
  insertHarness,
  listHarnesses,
  lockHarnessTree,
  NO_PARTS,
  readHarnessStats,
  updateHarness,
} from '@everruns/storage';
import type { Database, HarnessChanges, HarnessFields, HarnessRow, Queryable, Vault } from '@everruns/storage';
import type { CapabilityRules } from './capability-rules.ts';
import { copyDisplayName, freeCopyName, freeExampleName, pick, underFreeName } from './copies.ts';
import { offeredExamples, presentExample, requireExample } from './examples.ts';
import type { Deployment } from './examples.ts';
import { harnessLayer } from './layers.ts';
import type { Linker } from './links.ts';
import { presentHarness } from './present/harness.ts';
import { presentStats } from './present/stats.ts';
import { requireModel } from './references.ts';
import type { CallerScope } from './scope.ts';
import { sealedServers } from './scoped-mcp-servers.ts';
import { HARNESS_EXAMPLES } from './seeds/agents.ts';
import { GENERIC_HARNESS } from './seeds/harnesses.ts';

/** Longest chain of parents, the harness itself included. */
export const MAX_HARNESS_DEPTH = 16;

/** Stands for the default harness of the organization wherever a name is asked for. */
const VIRTUAL_NAME = 'default';

export interface HarnessServiceDeps {
  db: Database;
  ids: IdSource;
  link: Linker;
  rules: CapabilityRules;
  vault: Vault;
  deployment: Deployment;
  /** Most harnesses of an organization; 0 = no limit. */
  limit: number;
}

export interface HarnessService {
  list(scope: CallerScope, filter: { tokens: readonly string[]; includeArchived: boolean }): Promise<Harness[]>;
  get(scope: CallerScope, idOrName: string): Promise<Harness>;
  create(scope: CallerScope, request: CreateHarness): Promise<Harness>;
  /** Creates, or brings the harness with this name to exactly what the request says. */
  apply(scope: CallerScope, request: CreateHarness): Promise<{ harness: Harness; created: boolean }>;
  update(scope: CallerScope, idOrName: string, request: UpdateHarness): Promise<Harness>;
  archive(scope: CallerScope, idOrName: string): Promise<void>;
  remove(scope: CallerScope, idOrName: string): Promise<void>;
  copy(scope: CallerScope, idOrName: string): Promise<Harness>;
  /** A new harness from an example, on `generic` and under a free name. Throws `not_found` and `capability_unavailable`. */
  importExample(scope: CallerScope, name: string): Promise<Harness>;
  examples(): Example[];
  stats(scope: CallerScope, idOrName: string): Promise<ResourceStats>;
  nameAvailable(scope: CallerScope, name: string, exceptId: Uuid | null): Promise<boolean>;
}

export function createHarnessService(deps: HarnessServiceDeps): HarnessService {
  const { db, ids, link, vault, deployment } = deps;
  const insert = async (scope: CallerScope, given: HarnessFields): Promise<Harness> => {
    const fields = { ...given, mcp_servers: await sealedServers(given.mcp_servers, { vault, orgId: scope.orgId }) };
    const row = await insertHarness(db, { id: ids.next(), orgId: scope.orgId, fields, limit: deps.limit });
    if (row === 'taken') throw nameTaken(fields.name);
    if (row === 'limit') throw new PlatformError('resource_limit_reached', `An organization can have ${deps.limit} harnesses.`);
    return presentHarness(row, link);
  };
  const create = async (scope: CallerScope, request: CreateHarness): Promise<Harness> => {
    refuseVirtual(request.name);
    const capabilities = await deps.rules.stored(scope, request.capabilities);
    if (request.default_model_id != null) await requireModel(db, scope.orgId, request.default_model_id, 'default_model_id');
    if (request.parent_harness_id != null) await requireParent(db, scope.orgId, request.parent_harness_id, null);
    const fields = newFields({ ...request, capabilities });
    await checkEffective(deps, scope, fields);
    return insert(scope, fields);
  };
  const update = async (scope: CallerScope, idOrName: string, request: UpdateHarness): Promise<Harness> => {
    refuseVirtual(request.name);
    const row = await requireOwn(db, scope.orgId, idOrName);
    if (row.status === 'archived' && request.status !== 'active') throw archived(row);
    const capabilities =
      request.capabilities === undefined ? {} : { capabilities: await deps.rules.stored(scope, request.capabilities, row.capabilities) };
    if (request.default_model_id != null) await requireModel(db, scope.orgId, request.default_model_id, 'default_model_id');
    const asked = changesOf({ ...request, ...capabilities });
    const sealing = { vault, orgId: scope.orgId, stored: row.mcp_servers };
    const { mcp_servers: servers } = asked;
    const changes = servers === undefined ? asked : { ...asked, mcp_servers: await sealedServers(servers, sealing) };
    const updated = await db.transaction(async (tx) => {
      if (request.parent_harness_id != null) {
        await lockHarnessTree(tx, scope.orgId);
        await requireParent(tx, scope.orgId, request.parent_harness_id, row.id);
      }
      if (COMPOSED.some((key) => key in changes)) await checkEffective({ ...deps, db: tx }, scope, { ...row, ...changes });
      return updateHarness(tx, scope.orgId, row.id, changes);
    });
    if (updated === 'taken') throw nameTaken(request.name ?? row.name);
    if (updated === null) throw notFound();
    return presentHarness(updated, link);
  };
  return {
    async list(scope, filter) {
      return (await listHarnesses(db, { orgId: scope.orgId, ...filter })).map((row) => presentHarness(row, link));
    },
    get: async (scope, idOrName) => presentHarness(await requireHarness(db, scope.orgId, idOrName), link),
    create,
    async apply(scope, request) {
      const existing = request.name === VIRTUAL_NAME ? null : await findHarnessNamed(db, scope.orgId, request.name);
      if (existing === null) return { harness: await create(scope, request), created: true };
      return { harness: await update(scope, request.name, { ...EVERYTHING_UNSET, ...request }), created: false };
    },
    async importExample(scope, name) {
      const { displayName, systemPrompt, description, capabilities, tags } = requireExample(HARNESS_EXAMPLES, name, deployment);
      const parent = await findHarnessNamed(db, scope.orgId, GENERIC_HARNESS);
      const texts = { display_name: displayName, system_prompt: systemPrompt, description };
      return underFreeName(async () => {
        const free = await freeExampleName(name, ids, (candidate) => harnessNameFree(db, scope.orgId, candidate, null));
        return create(scope, { ...texts, name: free, capabilities, tags, parent_harness_id: parent?.id ?? null });
      });
    },
    examples: () => offeredExamples(HARNESS_EXAMPLES, deployment).map((example) => presentExample(example, deployment, GENERIC_HARNESS)),
    update,
    async archive(scope, idOrName) {
      const row = await requireOwn(db, scope.orgId, idOrName);
      if (row.status === 'active') await archiveHarness(db, scope.orgId, row.id);
    },
    async remove(scope, idOrName) {
      const row = await requireOwn(db, scope.orgId, idOrName);
      if (await deleteHarness(db, scope.orgId, row.id)) return;
      throw new PlatformError('wrong_state', 'Only an archived harness can be deleted; archive it first.');
    },
    async copy(scope, idOrName) {
      const row = await requireHarness(db, scope.orgId, idOrName);
      await deps.rules.stored(scope, row.capabilities);
      const fields = { ...pick<HarnessFields>(row, COPIED), display_name: copyDisplayName(row) };
      return underFreeName(async () => {
        const name = await freeCopyName(row.name, (candidate) => harnessNameFree(db, scope.orgId, candidate, null));
        return insert(scope, { ...fields, name });
      });
    },
    async stats(scope, idOrName) {
      const row = await requireHarness(db, scope.orgId, idOrName);
      return presentStats(await readHarnessStats(db, scope.orgId, row.id));
    },
    nameAvailable: async (scope, name, exceptId) => name !== VIRTUAL_NAME && harnessNameFree(db, scope.orgId, name, exceptId),
  };
}

/** Throws `malformed_id` for what is neither an id of a harness nor a name, and `not_found`. */
export async function requireHarness(db: Queryable, orgId: Uuid, idOrName: string): Promise<HarnessRow> {
  const id = fromPublicId('harness', idOrName);
  if (id === null && !SLUG.test(idOrName)) {
    throw new PlatformError('malformed_id', 'Expected harness_ and 32 hex digits, or a name.', { field: 'id_or_name' });
  }
  const row = id === null ? await findHarnessNamed(db, orgId, idOrName) : await findHarness(db, orgId, id);
  if (row === null) throw notFound();
  return row;
}

async function requireOwn(db: Queryable, orgId: Uuid, idOrName: string): Promise<HarnessRow> {
  const row = await requireHarness(db, orgId, idOrName);
  if (row.is_built_in) throw new PlatformError('built_in', `The harness "${row.name}" is built in; copy it to change it.`);
  return row;
}

/** The parent must be active, must not descend from the harness itself, and the chain must not grow too long. */
async function requireParent(db: Queryable, orgId: Uuid, parentId: Uuid, selfId: Uuid | null): Promise<void> {
  const field = 'parent_harness_id';
  const chain = await harnessAncestors(db, orgId, parentId);
  const [parent] = chain;
  if (parent === undefined || parent.status === 'deleted')
    throw new PlatformError('not_found', 'There is no such parent harness.', { field });
  if (parent.status !== 'active') throw new PlatformError('dependency_archived', `The harness "${parent.name}" is archived.`, { field });
  if (chain.some((ancestor) => ancestor.id === selfId)) {
    throw new PlatformError('cyclic_parent', 'A harness cannot descend from itself.', { field });
  }
  if (chain.length >= MAX_HARNESS_DEPTH) {
    throw new PlatformError('invalid_request', `A chain of harnesses can be ${MAX_HARNESS_DEPTH} long.`, { field });
  }
}

/** For a request that says all there is to say: what it leaves out is cleared. */
const EVERYTHING_UNSET: UpdateHarness = {
  display_name: null,
  description: null,
  system_prompt: null,
  parent_harness_id: null,
  default_model_id: null,
  capabilities: [],
  initial_files: [],
  tags: [],
  mcpServers: null,
  network_access: null,
  parallel_tool_calls: null,
  embedder_metadata: null,
};

/** What goes into the composition of a harness; a change of anything else cannot break it. */
const COMPOSED = ['capabilities', 'parent_harness_id', 'initial_files', 'mcp_servers'] as const satisfies readonly (keyof HarnessFields)[];

/** The harness on its parents has to make a configuration that can run. */
async function checkEffective(
  { db, rules }: { db: Queryable; rules: CapabilityRules },
  scope: CallerScope,
  fields: HarnessFields,
): Promise<void> {
  const parent = fields.parent_harness_id;
  const { layers } = parent === null ? { layers: [] } : await findSessionParts(db, { ...NO_PARTS, orgId: scope.orgId, harnessId: parent });
  await rules.effective(scope, [...layers, harnessLayer(fields)]);
}

function newFields(request: CreateHarness): HarnessFields {
  return {
    name: request.name,
    display_name: request.display_name ?? null,
    description: request.description ?? null,
    system_prompt: blankAsNull(request.system_prompt),
    parent_harness_id: request.parent_harness_id ?? null,
    default_model_id: request.default_model_id ?? null,
    capabilities: request.capabilities ?? [],
    initial_files: request.initial_files ?? [],
    tags: request.tags ?? [],
    mcp_servers: request.mcpServers ?? null,
    network_access: request.network_access ?? null,
    parallel_tool_calls: request.parallel_tool_calls ?? null,
    embedder_metadata: request.embedder_metadata ?? null,
  };
}

const COPIED = [
  'name',
  'display_name',
  'description',
  'system_prompt',
  'parent_harness_id',
  'default_model_id',
  'capabilities',
  'initial_files',
  'tags',
  'mcp_servers',
  'network_access',
  'parallel_tool_calls',
  'embedder_metadata',
] as const satisfies readonly (keyof HarnessFields)[];

/** Members that the request does not have stay as they are; null clears. */
function changesOf(request: UpdateHarness): HarnessChanges {
  const { mcpServers, system_prompt, ...rest } = request;
  return {
    ...rest,
    ...(mcpServers === undefined ? {} : { mcp_servers: mcpServers }),
    ...(system_prompt === undefined ? {} : { system_prompt: blankAsNull(system_prompt) }),
  } as HarnessChanges;
}

function blankAsNull(text: string | null | undefined): string | null {
  return text == null || text.trim() === '' ? null : text;
}

/** A harness of this name could not be reached by it. */
function refuseVirtual(name: string | undefined): void {
  if (name !== VIRTUAL_NAME) return;
  throw new PlatformError('name_taken', `"${VIRTUAL_NAME}" always means the default harness of the organization.`, { field: 'name' });
}

function notFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such harness.');
}

function nameTaken(name: string): PlatformError {
  return new PlatformError('name_taken', `There is a harness named "${name}" already.`, { field: 'name' });
}

function archived(row: HarnessRow): PlatformError {
  return new PlatformError('wrong_state', `The harness "${row.name}" is archived; set its status to active first.`);
}
