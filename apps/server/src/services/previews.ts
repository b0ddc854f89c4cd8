import { foldLayers, shownTools } from '@everruns/agent';
import { PlatformError, toPublicId } from '@everruns/contract';
import type {
  ConfigLayer,
  CreateSession,
  Finding,
  Preview,
  PreviewAgent,
  PreviewHarness,
  Provenance,
  StoredMessage,
  Uuid,
} from '@everruns/contract';
import { findModel, findSessionParts, loadTurnConfig, NO_PARTS, readPrompt } from '@everruns/storage';
import type { AgentFields, Database, HarnessFields, ModelLevels, StoredInitialFile } from '@everruns/storage';
import { checkTools } from './capabilities.ts';
import { keeping } from './capability-rules.ts';
import type { CapabilityRules, EffectiveContext } from './capability-rules.ts';
import type { McpConnections } from './mcp-connections.ts';
import { withKnownMcpTools } from './mcp-previews.ts';
import { agentLayer, harnessLayer, sessionLayer } from './layers.ts';
import { resolveModel, SIMULATED_MODEL } from './model-resolution.ts';
import type { ResolutionPolicy } from './model-resolution.ts';
import { provenanceOf } from './provenance.ts';
import { requireHarnessReference, requireModel } from './references.ts';
import type { CallerScope } from './scope.ts';
import { draftedSkills } from './skills/preview-skills.ts';
import { shownSkills } from './skills/session-skills.ts';
import { sessionNotFound, sessionParts } from './sessions.ts';

export interface PreviewService {
  agent(scope: CallerScope, request: PreviewAgent): Promise<Preview>;
  harness(scope: CallerScope, request: PreviewHarness): Promise<Preview>;
  /** A session that is not created. */
  session(scope: CallerScope, request: CreateSession): Promise<Preview>;
  /** What the next turn of a session is told. */
  storedSession(scope: CallerScope, id: Uuid): Promise<Preview>;
}

export interface PreviewDeps {
  db: Database;
  rules: CapabilityRules;
  resolution: ResolutionPolicy;
  mcp: McpConnections;
}

/** What a configuration would become, composed by the code that a turn uses, without anything being stored. */
export function createPreviewService(deps: PreviewDeps): PreviewService {
  const { db, rules } = deps;
  const compose = async (scope: CallerScope, layers: ConfigLayer[], about: About = {}): Promise<Preview> => {
    const agent = await rules.effective(scope, layers, about);
    const model = about.model ?? (await modelOf(db, scope.orgId, about.levels ?? []));
    return {
      system_prompt: agent.systemPrompt,
      tools: shownTools(agent, about.history).map(({ spec }) => ({ ...spec })),
      provenance: provenanceOf(layers, agent, model ?? undefined),
    };
  };
  const draft = async (scope: CallerScope, { below, own, files, workspaceId = null }: DraftedTier, about: About): Promise<Preview> => {
    const starters = (files ?? []) as StoredInitialFile[];
    const skills = await draftedSkills(db, { orgId: scope.orgId, below, own, files: starters, workspaceId });
    return compose(scope, [...below, own], { ...about, ...(skills === undefined ? {} : { skills }) });
  };
  return {
    async agent(scope, request) {
      checkTools(request.tools);
      const capabilities = await rules.stored(scope, request.capabilities, request.capabilities);
      await requireModels(db, scope, request);
      const harness = await requireHarnessReference(db, scope.orgId, { id: request.harness_id, name: request.harness_name });
      const parts = await findSessionParts(db, { ...NO_PARTS, orgId: scope.orgId, harnessId: harness?.id ?? null });
      const own = agentLayer({ ...EMPTY_AGENT, ...fieldsOf(request), capabilities, system_prompt: request.system_prompt ?? '' });
      const levels: ModelLevels = [{ level: 'agent', modelId: request.default_model_id ?? null }, ...parts.modelLevels];
      const preview = await draft(scope, { below: parts.layers, own, files: request.initial_files }, { levels });
      return { ...preview, findings: findingsOf(request) };
    },
    async harness(scope, request) {
      const capabilities = await rules.stored(scope, request.capabilities, request.capabilities);
      await requireModels(db, scope, request);
      const parent = request.parent_harness_id ?? null;
      const parts = await findSessionParts(db, { ...NO_PARTS, orgId: scope.orgId, harnessId: parent });
      if (parent !== null && parts.harness === null) {
        throw new PlatformError('not_found', 'There is no such parent harness.', { field: 'parent_harness_id' });
      }
      const own = harnessLayer({ ...EMPTY_HARNESS, ...fieldsOf(request), capabilities, system_prompt: request.system_prompt ?? null });
      const inherited = parent === null ? parts.modelLevels.filter(({ level }) => level === 'organization') : parts.modelLevels;
      const levels: ModelLevels = [{ level: 'harness', modelId: request.default_model_id ?? null }, ...inherited];
      return draft(scope, { below: parent === null ? [] : parts.layers, own, files: request.initial_files }, { levels });
    },
    async session(scope, request) {
      const { fields, parts } = await sessionParts({ ...deps, rules: keeping(rules, request.capabilities) }, scope, request);
      const levels: ModelLevels = [{ level: 'session', modelId: fields.model_id }, ...parts.modelLevels];
      const locale = fields.locale === null ? {} : { locale: fields.locale };
      return draft(
        scope,
        { below: parts.layers, own: sessionLayer(fields), files: request.initial_files, workspaceId: request.workspace_id ?? null },
        { levels, ...locale },
      );
    },
    async storedSession(scope, id) {
      const config = await loadTurnConfig(db, { orgId: scope.orgId, sessionId: id });
      if (config === null) throw sessionNotFound();
      const { messages: history } = await readPrompt(db, id);
      if (config.problem !== undefined) {
        throw new PlatformError('dependency_archived', 'The harness or agent of this session is archived or deleted.');
      }
      const locale = config.locale === undefined ? {} : { locale: config.locale };
      const model = chosenModel(resolveModel(config, deps.resolution));
      const { networkAccess: access } = foldLayers(config.layers);
      const { layers, equip } = await withKnownMcpTools(deps.mcp, { orgId: scope.orgId, sessionId: id }, { layers: config.layers, access });
      const skills = shownSkills(config.skills);
      const about = { sessionId: toPublicId('session', id), history, model, equip, ...locale };
      const approvals = config.approvals === undefined ? {} : { approvals: config.approvals };
      return compose(scope, [...layers], { ...about, ...approvals, ...(skills === undefined ? {} : { skills }) });
    },
  };
}

interface DraftedTier {
  below: readonly ConfigLayer[];
  own: ConfigLayer;
  files: readonly object[] | undefined;
  workspaceId?: Uuid | null;
}

interface About extends EffectiveContext {
  /** What was said so far: it may show tools that were held back. */
  history?: readonly StoredMessage[];
  /** Where models are named, most specific first. */
  levels?: ModelLevels;
  /** Known already; null = there is none. */
  model?: Provenance['model'] | null;
}

const COMMON = {
  name: '',
  display_name: null,
  description: null,
  default_model_id: null,
  capabilities: [],
  initial_files: [],
  tags: [],
  mcp_servers: null,
  network_access: null,
  parallel_tool_calls: null,
};
const EMPTY_AGENT: AgentFields = { ...COMMON, system_prompt: '', harness_id: null, tools: [], max_iterations: null };
const EMPTY_HARNESS: HarnessFields = { ...COMMON, system_prompt: null, parent_harness_id: null, embedder_metadata: null };

/** The members that a request has, by the names of the store. */
function fieldsOf({ mcpServers, ...rest }: PreviewAgent | PreviewHarness): object {
  const given = Object.entries({ ...rest, mcp_servers: mcpServers }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

async function requireModels(db: Database, { orgId }: CallerScope, { default_model_id }: PreviewAgent | PreviewHarness): Promise<void> {
  if (default_model_id != null) await requireModel(db, orgId, default_model_id, 'default_model_id');
}

/** The first level whose model is there; which one is taken when none names any is known only when a turn runs. */
async function modelOf(db: Database, orgId: Uuid, levels: ModelLevels): Promise<Provenance['model'] | null> {
  for (const { level, modelId } of levels) {
    const row = modelId === null ? null : await findModel(db, orgId, modelId);
    if (row !== null && row.provider_status === 'active') {
      return { level, id: toPublicId('model', row.id), model: row.model_id, provider_type: row.provider_type };
    }
  }
  return null;
}

function chosenModel(resolution: ReturnType<typeof resolveModel>): Provenance['model'] | null {
  if (resolution.kind === 'nothing') return null;
  if (resolution.kind === 'simulated') return { level: 'fallback', model: SIMULATED_MODEL, provider_type: 'llmsim' };
  const { modelId, model, providerType, namedBy } = resolution.candidate;
  return { level: namedBy ?? 'fallback', id: toPublicId('model', modelId), model, provider_type: providerType };
}

const LONG_PROMPT_CHARS = 20_000;

/** Rules that need no model: what is plainly missing or likely to cost. */
export function findingsOf(request: PreviewAgent): Finding[] {
  const prompt = (request.system_prompt ?? '').trim();
  const findings: Finding[] = [];
  const add = (finding: Omit<Finding, 'source' | 'location'>, field: string): void => {
    findings.push({ ...finding, source: 'builtin', location: { field } });
  };
  if (prompt === '') {
    add(
      {
        rule_id: 'prompt-empty',
        category: 'completeness',
        severity: 'warning',
        message: 'The system prompt is empty.',
        fix: 'Say what the agent is for.',
      },
      'system_prompt',
    );
  } else if (prompt.length > LONG_PROMPT_CHARS) {
    add(
      {
        rule_id: 'prompt-long',
        category: 'cost',
        severity: 'info',
        message: `The system prompt has ${prompt.length} characters and is sent with every model call.`,
      },
      'system_prompt',
    );
  }
  (request.tools ?? []).forEach((tool, index) => {
    if (tool.description.trim() !== '') return;
    add(
      {
        rule_id: 'tool-description-empty',
        category: 'effectiveness',
        severity: 'warning',
        message: `The tool "${tool.name}" has no description.`,
      },
      `tools.${index}.description`,
    );
  });
  return findings;
}
