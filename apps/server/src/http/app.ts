import type { CapabilityRegistry } from '@everruns/agent';
import type { IdSource, Uuid } from '@everruns/contract';
import { PROVIDER_TYPES } from '@everruns/contract';
import { parseEgressAllow, type EgressAllow } from '@everruns/outbound';
import { roleIn } from '@everruns/storage';
import type { Database, Vault } from '@everruns/storage';
import cookie from '@fastify/cookie';
import Fastify, { LogController } from 'fastify';
import type { FastifyBaseLogger } from 'fastify';
import type { ProviderSettings } from '../config-providers.ts';
import type { Identity } from '../identity/identity.ts';
import { createAgentService } from '../services/agents.ts';
import { createBudgetService } from '../services/budgets.ts';
import { createCapabilityService } from '../services/capabilities.ts';
import { createCapabilityRules } from '../services/capability-rules.ts';
import { createConnectionService } from '../services/connections.ts';
import { createDatabaseService } from '../services/databases.ts';
import { createExportService } from '../services/exports/service.ts';
import { createFileService } from '../services/files.ts';
import { createForkService } from '../services/forks.ts';
import { createHarnessService } from '../services/harnesses.ts';
import { createImageProcessor } from '../services/images/process.ts';
import { createImageService } from '../services/images/service.ts';
import { createKnowledgeService } from '../services/knowledge.ts';
import { createKnowledgeBundles } from '../services/knowledge-bundles/bundles.ts';
import { createLinker } from '../services/links.ts';
import { createMcpServerService, mcpAddressCheck, mcpCapabilities, virtualCapabilities } from '../services/mcp-servers.ts';
import { createMcpConnections } from '../services/mcp-connections.ts';
import { createMemoryService } from '../services/memories.ts';
import { memorySyncOf } from '../services/memory-sync.ts';
import type { MemorySync } from '../services/memory-sync.ts';
import { createApprovalService } from '../services/approvals.ts';
import { createMessageService } from '../services/messages.ts';
import type { TurnWaiter } from '../services/messages.ts';
import type { CallerScope } from '../services/scope.ts';
import type { ResolutionPolicy } from '../services/model-resolution.ts';
import { createInvitationService } from '../services/organization-invitations.ts';
import { createModelService } from '../services/models.ts';
import { createMountedFiles } from '../services/mounted-files.ts';
import { createMounts } from '../services/mounts.ts';
import { refusedReferences } from '../services/named-in-configs.ts';
import { createOrganizationService } from '../services/organizations.ts';
import { createParticipantService } from '../services/participants.ts';
import { createContextReports } from '../services/context-report.ts';
import { createPreviewService } from '../services/previews.ts';
import { createProviderService } from '../services/providers.ts';
import { createSessionConfigs } from '../services/session-configs.ts';
import { createSessionResources } from '../services/session-resources.ts';
import { createSessionService } from '../services/sessions.ts';
import { createSkillService, skillCapabilities } from '../services/skills/skills.ts';
import { createWorkspaceService } from '../services/workspaces.ts';
import type { CommitFeed } from '../stream/port.ts';
import type { TurnService } from '../turns/port.ts';
import { createAccess } from './access.ts';
import type { AccessDeps } from './access.ts';
import type { Authenticate } from './authenticate.ts';
import { auditRequests } from './audit.ts';
import { acceptBodies } from './body.ts';
import { govern, letIn } from './govern.ts';
import { organizationArea } from './organizations.ts';
import type { OrganizationAreaDeps, OrganizationLimits } from './organizations.ts';
import { chooseByPath } from './path-organization.ts';
import { cacheEntities } from './caching.ts';
import { answerUnknownRoutes } from './not-found.ts';
import { createInnerCalls } from './inner-calls.ts';
import type { InnerCalls } from './inner-calls.ts';
import { mountMcp } from '../mcp/mount.ts';
import { createSendPage, loadStylesheet } from '../pages/layout.ts';
import { documentRoutes, openApiRoute } from './openapi.ts';
import { forgetBody, refusedBody } from './large-bodies.ts';
import { answerClientError, sendProblem, toPlatformError } from './problems.ts';
import { echoRequestIds, requestId } from './request-ids.ts';
import { agentRoutes } from './routes/agents.ts';
import { budgetRoutes } from './routes/budgets.ts';
import { capabilityRoutes } from './routes/capabilities.ts';
import { connectionRoutes } from './routes/connections.ts';
import { databaseRoutes } from './routes/databases.ts';
import { exportRoute } from './routes/exports.ts';
import { fileRoutes } from './routes/files.ts';
import { forkRoute } from './routes/forks.ts';
import { harnessRoutes } from './routes/harnesses.ts';
import { imageRoutes } from './routes/images.ts';
import { guardrailRoutes } from './routes/guardrails.ts';
import { healthRoute } from './routes/health.ts';
import type { HealthFacts } from './routes/health.ts';
import { mcpServerRoutes } from './routes/mcp-servers.ts';
import { knowledgeRoutes } from './routes/knowledge.ts';
import { memoryRoutes } from './routes/memories.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { authorizedAppRoutes } from './routes/authorized-apps.ts';
import { messageRoutes } from './routes/messages.ts';

import { participantRoutes } from './routes/participants.ts';
import { createCatalogueService } from '../services/catalogues.ts';
import type { CatalogueAsker } from '../turns/catalogues.ts';
import { providerRoutes } from './routes/providers.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { taskWebhookRoutes } from './routes/task-webhooks.ts';
import { taskRoutes } from './routes/tasks.ts';
import { createTaskWebhookService } from '../services/task-webhooks.ts';
import type { SessionTasks } from '../turns/tasks/service.ts';
import { createScheduleService } from '../services/schedules.ts';
import type { ScheduleLimits } from '../services/schedules.ts';
import { createSessionStorage } from '../services/session-storage.ts';
import { sessionStorageRoutes } from './routes/session-storage.ts';
import { contextReportRoutes } from './routes/context-report.ts';
import { sessionResourceRoutes } from './routes/session-resources.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { skillRoutes } from './routes/skills.ts';
import { usageRoutes } from './routes/usage.ts';
import { workspaceRoutes } from './routes/workspaces.ts';
import type { Limiter } from '../limits/limiter.ts';
import { answerBrowsers } from './browsers.ts';
import type { BrowserSettings } from './browsers.ts';
import { isBuilt, serveUserInterface } from './user-interface.ts';
import { limitRequests, organizationRate, sessionRate } from './rate-limits.ts';
import type { RateSettings } from './rate-limits.ts';
import type { Api } from './types.ts';
import { checkingSerializer, plainSerializer, validatorCompiler } from './validation.ts';

export const JSON_BODY_LIMIT_BYTES = 1_048_576;
/** For receiving a whole request; answers may take as long as they like. */
const REQUEST_TIMEOUT_MS = 60_000;

export interface AppSettings {
  /** Where the REST API is mounted, e.g. `/api`, or empty for the root. */
  apiPrefix: string;
  /** Address that links are made with; asked for with each one, because it may only be known once the server listens. */
  publicUrl: () => string;
  health: HealthFacts;
  resolution: ResolutionPolicy;
  /** Most rows of an organization; 0 = no limit. */
  limits: { harnesses: number; agents: number; sessions: number };
  /** Most tokens of a user, and service accounts of an organization; 0 = no limit. */
  tokens: { perUser: number; serviceAccountsPerOrg: number };
  organizations: OrganizationLimits;
  /** Where else people can log in; nowhere when absent. */
  loginProviders?: ProviderSettings;
  schedules: ScheduleLimits;
  rates: RateSettings;
  browsers: BrowserSettings;
  /** Where the built management interface is, or will be; without it there is none. */
  uiDirectory?: string | null;
  /** What may be reached besides public addresses; nothing when absent. */
  egress?: EgressAllow;
  /** Check every response against its schema; for tests. */
  checkResponses?: boolean;
}

export interface AppDeps {
  settings: AppSettings;
  db: Database;
  ids: IdSource;
  vault: Vault;
  capabilities: CapabilityRegistry;
  turns: TurnService;
  tasks: SessionTasks;
  catalogues: CatalogueAsker;
  waiter: TurnWaiter;
  feed: Pick<CommitFeed, 'committed'>;
  /** How memories that are copies are fetched; from the places of the public ones when absent. */
  memorySync?: Pick<MemorySync, 'fetch'>;
  authenticate: Authenticate;
  /** Logging in, and what belongs to it. */
  identity: Identity;
  /** Hears of organizations that nobody is left in. */
  organizationsClosed?: (orgIds: readonly Uuid[]) => void;
  limiter: Limiter;
  /** An integer of 31 random bits. */
  noise: () => number;
  logger: FastifyBaseLogger;
  /** More `/v1` routes, registered behind authentication: streams, monitoring. */
  plugins?: readonly ((app: Api) => Promise<void>)[];
}

/** The HTTP application. It listens when its owner says so, and owns nothing that it did not make. */
export async function createApp(deps: AppDeps): Promise<Api> {
  const { settings } = deps;
  const app: Api = Fastify({
    loggerInstance: deps.logger,
    bodyLimit: JSON_BODY_LIMIT_BYTES,
    genReqId: requestId,
    requestIdHeader: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    requestTimeout: REQUEST_TIMEOUT_MS,
    clientErrorHandler: answerClientError,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id);
      sendProblem(reply, toPlatformError(error));
    },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(settings.checkResponses === true ? checkingSerializer : plainSerializer);
  answerErrors(app);
  echoRequestIds(app);
  await answerBrowsers(app, settings.browsers);
  await app.register(cookie);
  const inner = createInnerCalls();
  limitRequests(app, deps.limiter, { ...settings.rates, inner });
  cacheEntities(app);
  acceptBodies(app);
  chooseByPath(app, (orgId, userId) => roleIn(deps.db, orgId, userId));
  auditRequests(app, { db: deps.db, ids: deps.ids, proxyHops: settings.rates.proxyHops });
  const answerWithPage = await serveUserInterface(app, { directory: settings.uiDirectory ?? null, apiPrefix: settings.apiPrefix });
  answerUnknownRoutes(app, settings.apiPrefix, answerWithPage);
  await documentRoutes(app, { apiPrefix: settings.apiPrefix, version: settings.health.version });
  healthRoute(app, settings.health);
  openApiRoute(app);
  await mountMcp(app, { ...deps, inner, sendPage: createSendPage(loadStylesheet()) });
  const access = createAccess(accessDeps(deps));
  await access.mountPages(app);
  await app.register(
    async (api: Api) => {
      await mountApi(api, deps, inner);
      await access.mount(api);
    },
    { prefix: settings.apiPrefix },
  );
  return app;
}

function answerErrors(app: Api): void {
  app.setErrorHandler(async (error, request, reply) => {
    const refused = refusedBody(request, error);
    const known = refused ?? toPlatformError(error);
    if (refused !== undefined) await forgetBody(request);
    if (known.status >= 500) request.log.error({ err: known.cause ?? known, code: known.code }, 'request failed');
    return sendProblem(reply, known);
  });
}

async function mountApi(api: Api, deps: AppDeps, inner: InnerCalls): Promise<void> {
  const { db, ids, capabilities, settings, vault } = deps;
  letIn(api, deps.authenticate, inner);
  const link = createLinker(settings);
  const urlOf = (path: string): string => `${settings.publicUrl()}${path}`;
  const mcpServers = createMcpServerService({ db, ids, link, vault, egress: settings.egress ?? parseEgressAllow('') });
  const skills = createSkillService({ db, ids, link });
  const isServer = virtualCapabilities(mcpServers);
  const isVirtual: typeof isServer = (scope, ref) => (ref.startsWith('skill:') ? skills.isAssignable(scope, ref) : isServer(scope, ref));
  const refusedAddress = mcpAddressCheck(settings.egress ?? parseEgressAllow(''));
  const memories = createMemoryService({ db, ids, sync: deps.memorySync ?? memorySyncOf(db, settings.egress) });
  const knowledge = createKnowledgeService({ db, ids });
  const refusedConfig = refusedReferences({ memories, knowledge });
  const rules = createCapabilityRules({
    registry: capabilities,
    grade: settings.resolution.grade,
    isVirtual,
    refusedAddress,
    refusedConfig,
    mayAssignHighRisk: ({ permissions }) => permissions.has('org:settings:manage'),
  });
  const previews = createPreviewService({ db, rules, resolution: settings.resolution, mcp: createMcpConnections({ db, vault }) });
  const deployment = { registry: capabilities, grade: settings.resolution.grade };
  const shared = { db, ids, link, rules, vault, deployment };
  const connections = createConnectionService({ db, vault });
  const admit = sessionRate(deps.limiter, settings.rates);
  const sessions = createSessionService({
    ...shared,
    admit,
    connections,
    features: { registry: capabilities, offers: rules.offers },
    feed: deps.feed,
    noise: deps.noise,
    limit: settings.limits.sessions,
    ended: (session) => deps.tasks.sessionEnded(session),
  });
  const messages = createMessageService({ db, turns: deps.turns, waiter: deps.waiter });
  const { tasks, turns } = deps;
  const mcp = createMcpConnections({ db, vault });
  const exports = createExportService({ db, version: settings.health.version });
  const schedules = createScheduleService({ db, limits: settings.schedules, now: () => new Date() });
  const files = createFileService(db);
  const configs = createSessionConfigs({ db, nowMs: () => performance.now(), freshMs: 0 });
  const mountedFiles = createMountedFiles(files, createMounts({ db, ids, configs, own: false }));
  await govern(api, 'agents', (group) => {
    agentRoutes(group, { agents: createAgentService({ ...shared, limit: settings.limits.agents }), previews, urlOf });
    guardrailRoutes(group);
  });
  await govern(api, 'harnesses', (group) =>
    harnessRoutes(group, { harnesses: createHarnessService({ ...shared, limit: settings.limits.harnesses }), previews }),
  );
  await govern(api, 'sessions', (group) => {
    sessionRoutes(group, { sessions, previews, messages, turns, urlOf });
    messageRoutes(group, { messages });
    exportRoute(group, { exports, sessions, urlOf });
    contextReportRoutes(group, createContextReports({ db, rules, resolution: settings.resolution, mcp, sessions }));
    sessionResourceRoutes(group, createSessionResources({ db, sessions }));
    forkRoute(group, createForkService({ db, ids, rules, vault, sessions, admit, limit: settings.limits.sessions }));
    participantRoutes(group, createParticipantService({ db, ids, rules, sessions }));
    imageRoutes(group, createImageService({ db, ids, processor: createImageProcessor() }));
    approvalRoutes(group, { approvals: createApprovalService({ db, vault, turns }), urlOf });
    scheduleRoutes(group, { db, sessions, schedules, turns, feed: deps.feed });
    taskRoutes(group, { sessions, tasks, newId: () => ids.next() });
    sessionStorageRoutes(group, { sessions, storage: createSessionStorage({ db, vault }) });
    workspaceRoutes(group, createWorkspaceService({ db, ids }));
    fileRoutes(group, mountedFiles);
    databaseRoutes(group, { sessions, databases: createDatabaseService({ db, ids }) });
    connectionRoutes(group, connections);
  });
  await govern(api, 'memories', (group) => memoryRoutes(group, memories, files));
  await govern(api, 'knowledge', (group) => knowledgeRoutes(group, knowledge, createKnowledgeBundles({ db, ids })));
  await govern(api, 'capabilities', (group) => {
    const virtual = async (scope: CallerScope) => [
      ...(await mcpCapabilities(mcpServers, scope)),
      ...(await skillCapabilities(skills, scope)),
    ];
    capabilityRoutes(group, { capabilities: createCapabilityService({ db, registry: capabilities, rules, link, virtual }), urlOf });
  });
  await govern(api, 'providers', (group) =>
    providerRoutes(group, {
      providers: createProviderService({ db, ids, link, vault, providerTypes: null }),
      catalogues: createCatalogueService({ db, ids, vault, resolution: settings.resolution, asker: deps.catalogues }),
      models: createModelService({ db, ids, link, resolution: settings.resolution }),
      driverTypes: PROVIDER_TYPES,
    }),
  );
  await govern(api, 'mcp-servers', (group) => mcpServerRoutes(group, mcpServers));
  await govern(api, 'skills', (group) => skillRoutes(group, skills));
  await govern(api, 'user', (group) => authorizedAppRoutes(group, db));
  await govern(api, 'budgets', (group) => budgetRoutes(group, createBudgetService({ db, ids, roomMade: () => turns.lookAgain() })));
  await govern(api, 'reports', (group) => usageRoutes(group, db));
  await govern(api, 'settings', (group) => {
    const egress = settings.egress ?? parseEgressAllow('');
    taskWebhookRoutes(group, createTaskWebhookService({ db, ids, vault, egress }));
    organizationArea(group, organizationDeps(deps));
  });
  for (const plugin of deps.plugins ?? []) await api.register(plugin);
}

function accessDeps({ settings, db, ids, identity, limiter }: AppDeps): AccessDeps {
  const { apiPrefix, publicUrl, tokens, rates, loginProviders } = settings;
  const admit = organizationRate(limiter, rates);
  const limit = settings.organizations.organizationsPerUser;
  return {
    db,
    ids,
    identity,
    tokens,
    apiPrefix,
    publicUrl,
    providers: loginProviders ?? { google: null, github: null },
    organizations: createOrganizationService({ db, ids, grade: settings.resolution.grade, admit, limit }),
    invitations: createInvitationService({
      db,
      ids,
      mails: null,
      admit: () => Promise.resolve(),
      urlOf: (token) => token,
      limit: settings.organizations.membersPerOrg,
    }),
    isHttpsOnly: settings.browsers.isHttpsOnly,
    proxyHops: rates.proxyHops,
    homePath: (isMember) => (identity.auth.frontendUrl !== null || (isMember && isBuilt(settings.uiDirectory ?? null)) ? '/' : '/welcome'),
    now: () => new Date(),
  };
}

function organizationDeps({ settings, db, ids, identity, limiter, organizationsClosed }: AppDeps): OrganizationAreaDeps {
  return {
    db,
    ids,
    limiter,
    rates: settings.rates,
    grade: settings.resolution.grade,
    limits: settings.organizations,
    isHttpsOnly: settings.browsers.isHttpsOnly,
    mails: identity.invitationMails,
    admitInvited: (email) => identity.limits.ofInvited(email),
    inviteUrl: (token) => `${identity.frontendUrl()}/invites/${token}`,
    closed: organizationsClosed ?? (() => undefined),
  };
}
