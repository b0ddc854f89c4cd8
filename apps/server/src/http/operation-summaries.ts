/** What each operation does, in a few words, for people and models that look for one. */

/** Where the words of the operation's id do not say enough. */
const SUMMARIES: Readonly<Record<string, string>> = {
  // Sessions
  createSession: 'Start a session with an agent or a harness',
  getSessionFacets: 'Count sessions by agent, source and status',
  previewSession: 'Show prompt and tools of a session before it is made',
  previewStoredSession: 'Show prompt and tools of a session as they are now',
  cancelSession: 'Stop the running turn of a session',
  resumeSession: 'Let a session that is paused by a budget go on',
  submitToolResults: 'Answer tool calls that the client runs itself',
  pinSession: 'Pin a session for the caller',
  getTurn: 'Get a turn with its steps and tool calls',
  createMessage: 'Send a message to a session, and wait for the answer if wanted',
  exportSession: 'Export the log of a session',
  forkSession: 'Copy a session up to a point, to go on differently',
  getContextReport: 'Show what fills the context of a session',
  listSessionResources: 'List what a session holds outside, such as containers',
  listEvents: 'List the events of a session',
  streamEvents: 'Follow the events of a session as a stream',
  summarizeEvents: 'Count the events of a session by type',
  listPending: 'List everything in the organization that waits for a person',
  listPendingApprovals: 'List tool calls of a session that wait for an approval',
  listPendingQuestions: 'List questions of a session that wait for an answer',
  decideToolCalls: 'Approve or refuse tool calls',
  forgetToolApproval: 'Ask again before a tool that was always allowed',
  answerQuestions: 'Answer questions of an agent',
  listApprovalRecords: 'List what was approved and refused, and by whom',
  listTasks: 'List tasks in the background of all sessions',
  sendSessionTaskMessage: 'Send a message to a task that runs',
  triggerSessionSchedule: 'Fire a schedule now',
  listSessionKeys: 'List the key-value pairs of a session',
  listSessionSecrets: 'List names of the secrets of a session',
  setSessionSecrets: 'Set secrets of a session',
  addParticipant: 'Add an agent to a session',
  removeParticipant: 'Remove an agent from a session',
  statSessionFile: 'Say whether there is a file in a session, and how long it is',
  grepSessionFiles: 'Search the files of a session',
  grepWorkspaceFiles: 'Search the files of a workspace',
  grepMemoryFiles: 'Search the files of a memory',
  // Agents, harnesses, capabilities
  putAgent: 'Create an agent, or replace the one with this id or name',
  getAgentStats: 'Count the sessions of an agent, and what they used',
  getHarnessStats: 'Count the sessions of a harness, and what they used',
  previewAgent: 'Show prompt and tools of an agent before it is saved',
  previewHarness: 'Show prompt and tools of a harness before it is saved',
  checkAgentName: 'Say whether an agent could have this name',
  checkHarnessName: 'Say whether a harness could have this name',
  useAgentExample: 'Create an agent from an example',
  exportAgent: 'Export an agent as a document',
  importAgent: 'Create or update an agent from a document',
  exportHarness: 'Export a harness as a document',
  importHarness: 'Create or update a harness from a document',
  deleteAgent: 'Delete an archived agent for good',
  deleteHarness: 'Delete an archived harness for good',
  dryRunGuardrails: 'Try guardrails on a text',
  listCapabilities: 'List what agents can be given',
  validateSkill: 'Check a SKILL.md without saving it',
  getSkillUsage: 'Count how often skills are assigned',
  exportSkill: 'Download a skill as an archive',
  useMcpServerExample: 'Add an MCP server from an example',
  // Models and money
  syncProviderModels: 'Ask a provider for its models',
  checkProviderCredentials: 'Try a key at a provider without saving it',
  listModels: 'List models with their providers',
  topUpBudget: 'Raise the limit of a budget',
  listBudgetLedger: 'List what a budget was spent on',
  checkBudget: 'Say whether a budget has something left',
  checkSessionBudgets: 'Say whether the budgets of a session have something left',
  getUsage: 'Report tokens and costs',
  // Memories and knowledge
  searchKnowledgeBase: 'Search a knowledge base',
  exportKnowledgeBase: 'Export a knowledge base as a bundle',
  importKnowledgeBase: 'Import a bundle into a knowledge base',
  syncMemory: 'Fetch a memory that is a copy of a repository again',
  // People and the installation
  getMe: 'Get the caller with their organizations',
  updateMe: 'Change the own profile',
  listUsers: 'List members of the organization',
  listAuthorizedApps: 'List MCP clients that the caller has let in',
  revokeAuthorizedApp: 'End the access of an MCP client',
  listTokenScopes: 'List the scopes that a token can have',
  listAuditLogs: 'List what was changed in an organization, by whom and why',
  listInstallationAuditLogs: 'List logins and other events that are of no organization',
  listMembers: 'List people of an organization, with their roles',
  updateMember: 'Change the role of a member',
  removeMember: 'Remove a member, or leave an organization',
  createInvitation: 'Invite somebody to an organization by e-mail',
  revokeInvitation: 'Take an invitation back',
  acceptInvitation: 'Join the organization that has sent an invitation',
  listFeatureFlags: 'List the switches of the installation',
  getOrganizationFeatureFlags: 'Tell which switches of an organization are on',
  getFeatureFlagSettings: 'Describe the switches of an organization',
  updateOrganizationFeatureFlags: 'Turn switches of an organization on or off',
  completeOnboarding: 'Note that an organization has been set up',
  getOrganizationPolicies: 'Say what the caller may do in an organization',
  switchOrganization: 'Choose an organization for a browser',
  resolveOrganization: 'Say which organization something is in',
  exportMe: 'Export everything that is held about the caller',
  deleteMe: 'Delete the own account',
  getAuthConfig: 'Say how people can log in',
  getHealth: 'Say that the process answers',
  getDurableHealth: 'Show the state of the engine',
  listDeadLetters: 'List tasks that have failed for good',
  retryDeadLetter: 'Run a failed task again',
};

/** The words of the id, unless somebody has found better ones: `listSessionTasks` is "List session tasks". */
export function summaryOf(operationId: string): string {
  const known = SUMMARIES[operationId];
  if (known !== undefined) return known;
  const words = operationId
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replaceAll(/\bmcp\b/g, 'MCP');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Operations that have words of their own here. */
export const SUMMARIZED: readonly string[] = Object.keys(SUMMARIES);
