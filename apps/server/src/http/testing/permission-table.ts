/**
 * What each operation asks of its caller, written by hand from what roles are meant to allow, not from the code: members look at everything
 * but the audit log and work on agents, sessions, capabilities, MCP servers, skills, memories and knowledge; administrators keep the
 * organization's harnesses, providers, budgets, settings, members and tokens as well; only owners delete for good.
 *
 * Keys are operation ids of the OpenAPI document, or `METHOD path` of a route that the document leaves out.
 */

const VIEW = {
  agents: `listAgents getAgent getAgentStats checkAgentName listAgentExamples getAgentPolicies previewAgent exportAgent listGuardrailExamples
    dryRunGuardrails`,
  harnesses: `listHarnesses getHarness getHarnessStats exportHarness previewHarness checkHarnessName listHarnessExamples getHarnessPolicies`,
  sessions: `listSessions getSessionFacets previewSession previewStoredSession getSessionStats getSessionPolicies getSession listTurns getTurn
    listMessages exportSession getContextReport listSessionResources listParticipants listImages getImage getImageThumbnail
    listPendingApprovals listPendingQuestions listApprovalRecords listPending listSessionSchedules getSessionSchedule listSessionTasks
    getSessionTask listTasks listSessionKeys listSessionSecrets listWorkspaces getWorkspace listSessionFiles getSessionFile grepSessionFiles
    statSessionFile downloadSessionFile previewSessionFile listWorkspaceFiles getWorkspaceFile grepWorkspaceFiles statWorkspaceFile
    downloadWorkspaceFile previewWorkspaceFile listSessionDatabases getSessionDatabase getSessionDatabaseSchema listConnections streamEvents
    listEvents summarizeEvents`,
  capabilities: `listCapabilities getCapability getCapabilityPolicies`,
  'mcp-servers': `listMcpServers listMcpServerExamples getMcpServerPolicies getMcpServer`,
  skills: `listSkills validateSkill getSkillUsage getSkillPolicies getSkill getSkillContent exportSkill`,
  memories: `listMemories getMemoryPolicies getMemory listMemoryFiles getMemoryFile downloadMemoryFile grepMemoryFiles statMemoryFile`,
  knowledge: `listKnowledgeBases getKnowledgePolicies getKnowledgeBase searchKnowledgeBase listKnowledgeEntries getKnowledgeEntry exportKnowledgeBase`,
  providers: `listProviders getProviderPolicies getProvider listProviderModels listModels getModelPolicies getModel`,
  budgets: `listBudgets getBudgetPolicies getBudget listBudgetLedger checkBudget listSessionBudgets checkSessionBudgets`,
  settings: `listTaskWebhooks getTaskWebhook getOrganizationFeatureFlags getFeatureFlagSettings`,
  members: `listUsers listMembers`,
  'audit-logs': `listAuditLogs`,
  'api-keys': `listServiceAccounts getServiceAccount listServiceAccountTokens`,
  reports: `getUsage`,
};

const MANAGE = {
  agents: `createAgent putAgent updateAgent archiveAgent copyAgent useAgentExample importAgent`,
  harnesses: `createHarness updateHarness archiveHarness copyHarness importHarness`,
  sessions: `createSession updateSession deleteSession cancelSession submitToolResults archiveSession unarchiveSession pinSession unpinSession
    createMessage forkSession addParticipant removeParticipant uploadImage deleteImage decideToolCalls forgetToolApproval answerQuestions
    updateSessionSchedule deleteSessionSchedule triggerSessionSchedule cancelSessionTask sendSessionTaskMessage setSessionSecrets
    deleteSessionSecret createWorkspace updateWorkspace archiveWorkspace createSessionFile updateSessionFile deleteSessionFile moveSessionFile
    copySessionFile createWorkspaceFile updateWorkspaceFile deleteWorkspaceFile moveWorkspaceFile copyWorkspaceFile createSessionDatabase
    deleteSessionDatabase setConnection deleteConnection resumeSession`,
  'mcp-servers': `createMcpServer useMcpServerExample updateMcpServer archiveMcpServer`,
  skills: `createSkill updateSkill archiveSkill uploadSkill`,
  memories: `createMemory updateMemory archiveMemory syncMemory createMemoryFile updateMemoryFile deleteMemoryFile`,
  knowledge: `createKnowledgeBase updateKnowledgeBase archiveKnowledgeBase createKnowledgeEntry updateKnowledgeEntry deleteKnowledgeEntry
    importKnowledgeBase`,
  providers: `createProvider updateProvider deleteProvider syncProviderModels checkProviderCredentials createModel updateModel deleteModel`,
  budgets: `createBudget updateBudget deleteBudget topUpBudget`,
  settings: `createTaskWebhook updateTaskWebhook deleteTaskWebhook updateOrganization completeOnboarding
    updateOrganizationFeatureFlags`,
  members: `updateMember removeMember createInvitation listInvitations revokeInvitation`,
  'api-keys': `createServiceAccount updateServiceAccount deleteServiceAccount createServiceAccountToken deleteServiceAccountToken`,
};

const DANGEROUS = {
  agents: `deleteAgent`,
  harnesses: `deleteHarness`,
  sessions: `deleteWorkspace`,
  'mcp-servers': `deleteMcpServer`,
  skills: `deleteSkill`,
  memories: `deleteMemory`,
  knowledge: `deleteKnowledgeBase`,
};

/** Older names of providers and models, which the document does not repeat. */
const HIDDEN = {
  open: ['GET /api-doc/openapi.json', 'GET /.well-known/oauth-authorization-server', 'GET /.well-known/oauth-protected-resource/mcp']
    .concat(['GET /oauth/authorize', 'GET /oauth/authorize/:uid', 'GET /oauth/consent/:uid', 'POST /oauth/consent/:uid'])
    .concat(['POST /oauth/token', 'POST /oauth/revoke', 'POST /oauth/register', 'GET /.well-known/mcp/server-card.json', 'GET /auth.md']),
  view: ['GET /llm-providers', 'GET /llm-providers/config', 'GET /llm-providers/:id', 'GET /llm-providers/:id/models']
    .concat(['GET /llm-models', 'GET /llm-models/config', 'GET /llm-models/:id'])
    .map(below),
  manage: ['POST /llm-providers', 'PATCH /llm-providers/:id', 'DELETE /llm-providers/:id', 'POST /llm-providers/:id/sync-models']
    .concat(['POST /llm-providers/check-credentials', 'POST /llm-providers/:id/models', 'PATCH /llm-models/:id', 'DELETE /llm-models/:id'])
    .map(below),
};

function below(route: string): string {
  return route.replace(' /', ' /api/v1/');
}

/** Pages ask for themselves: what needs a login leads there, forms are taken from pages of their own origin alone. */
const PAGES = `GET /pages/:name,GET /cli/login-success,GET /login,POST /login,GET /register,POST /register,POST /logout,
  GET /forgot-password,POST /forgot-password,GET /resend-verification,POST /resend-verification,GET /reset-password,POST /reset-password,
  GET /verify-email,POST /verify-email,GET /welcome,POST /organizations,GET /device,POST /device,POST /device/decision,GET /invites/:token,
  POST /invites/:token`.split(/,\s*/);

/** Asks for a permission of an organization, for a known user (`user`), for an operator (`platform`), or for nothing (`open`); `known` is `user` for whoever only asks. */
export const PERMISSION_TABLE: Readonly<Record<string, string>> = Object.fromEntries([
  ...rows('open', 'getHealth getAuthConfig'),
  ...rows('open', 'startCliLogin finishCliLogin exchangeCliCode startDeviceLogin pollDeviceLogin startProviderLogin finishProviderLogin'),
  ...rows('open', 'login register refreshLogin logout forgotPassword resetPassword verifyEmail resendVerification'),
  // Its tools ask for what they do.
  ['POST /mcp', 'known'],
  ...rows(
    'user',
    `listOrganizations getOrganization getMe updateMe createOrganization getOrganizationPolicies acceptInvitation switchOrganization
      resolveOrganization exportMe deleteMe getDurablePolicies listFeatureFlags`,
  ),
  ...rows('user', 'listPersonalAccessTokens createPersonalAccessToken deletePersonalAccessToken listTokenScopes'),
  ...rows('user', 'getWaitingDevice decideDeviceLogin'),
  ...rows('user', 'listAuthorizedApps revokeAuthorizedApp'),
  ...rows('platform', 'listInstallationAuditLogs getDurableHealth listDurableWorkers listDeadLetters retryDeadLetter'),
  ...resourceRows('view', VIEW),
  ...resourceRows('manage', MANAGE),
  ...resourceRows('dangerous', DANGEROUS),
  ...PAGES.map((route): [string, string] => [route, 'page']),
  ...HIDDEN.open.map((route): [string, string] => [route, 'open']),
  ...HIDDEN.view.map((route): [string, string] => [route, 'org:providers:view']),
  ...HIDDEN.manage.map((route): [string, string] => [route, 'org:providers:manage']),
]);

/** What of an account needs a login or a token of all scopes: it tells of what opens something. */
export const ONLY_WHOLE_CREDENTIALS: readonly string[] = ['listPersonalAccessTokens', 'exportMe', 'getWaitingDevice'];
/** What is about the account as a whole: a token that is bound to one organization is none for that. */
export const NOT_OF_ONE_ORGANIZATION: readonly string[] = ['exportMe', 'deleteMe', 'acceptInvitation'];

function rows(policy: string, operations: string): [string, string][] {
  return operations
    .trim()
    .split(/\s+/)
    .map((operation) => [operation, policy]);
}

function resourceRows(action: string, byResource: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(byResource).flatMap(([resource, operations]) => rows(`org:${resource}:${action}`, operations));
}

const MEMBERS_WORK_ON = ['agents', 'sessions', 'capabilities', 'mcp-servers', 'skills', 'memories', 'knowledge'];

/** Whether somebody of the role meets the policy, in words of their own again. */
export function roleMeets(role: 'member' | 'admin' | 'owner', policy: string): boolean {
  if (policy === 'open' || policy === 'known' || policy === 'user') return true;
  if (policy === 'platform') return false;
  const [, resource = '', action] = policy.split(':');
  if (role === 'owner') return true;
  if (role === 'admin') return action !== 'dangerous';
  return action === 'view' ? resource !== 'audit-logs' : action === 'manage' && MEMBERS_WORK_ON.includes(resource);
}
