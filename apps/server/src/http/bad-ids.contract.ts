import { DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testApp } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

/** Every address with an id in it, as the API document lists them. */

const HEX = 'f'.repeat(32);
const PREFIXES: Readonly<Record<string, string>> = {
  agents: 'agent',
  harnesses: 'harness',
  sessions: 'session',
  turns: 'turn',
  providers: 'provider',
  models: 'model',
  orgs: 'org',
  workspaces: 'wsp',
  memories: 'mem',
  'knowledge-bases': 'kb',
  entries: 'kbe',
  budgets: 'bdgt',
  'mcp-servers': 'mcp',
  schedules: 'sched',
  tasks: 'task',
  'task-webhooks': 'wh',
  images: 'img',
  participants: 'part',
  skills: 'skill',
  invites: 'invite',
};
/** What a request needs besides the id to be a good one. */
const BODIES: Readonly<Record<string, object>> = {
  putAgent: { name: 'new', system_prompt: 'x' },
  createMessage: { message: { content: [{ type: 'text', text: 'x' }] } },
  submitToolResults: { tool_results: [{ tool_call_id: 'x' }] },
  decideToolCalls: { decisions: [{ tool_call_id: 'x', decision: 'allow' }] },
  answerQuestions: { answers: [{ question_id: 'x', text: 'x' }] },
  updateSessionSchedule: { enabled: true },
  sendSessionTaskMessage: { text: 'x' },
  topUpBudget: { amount: 1 },
  addParticipant: { kind: 'user' },
  createModel: { model_id: 'new', display_name: 'x' },
  setSessionSecrets: { secrets: { a: 'x' } },
  moveSessionFile: { src_path: 'a', dst_path: 'b' },
  copySessionFile: { src_path: 'a', dst_path: 'b' },
  grepSessionFiles: { pattern: 'x' },
  statSessionFile: { path: 'a' },
  moveWorkspaceFile: { src_path: 'a', dst_path: 'b' },
  copyWorkspaceFile: { src_path: 'a', dst_path: 'b' },
  grepWorkspaceFiles: { pattern: 'x' },
  statWorkspaceFile: { path: 'a' },
  grepMemoryFiles: { pattern: 'x' },
  statMemoryFile: { path: 'a' },
  searchKnowledgeBase: { query: 'x' },
  createKnowledgeEntry: { title: 'x', body: 'x' },
  createSessionDatabase: { name: 'x' },
  importKnowledgeBase: { files: [] },
  updateMember: { role: 'member' },
  createInvitation: { email: 'x@example.com' },
  createServiceAccountToken: { name: 'x' },
};
/** Makes what is not there; and capabilities, examples, connections, invitations and providers of logins are found by names that are no ids. */
const NOT_MISSING = new Set([
  'putAgent',
  'getCapability',
  'useAgentExample',
  'useMcpServerExample',
  'setConnection',
  'deleteConnection',
  'acceptInvitation',
  'startProviderLogin',
  'finishProviderLogin',
]);

let app: TestApp;
interface Operation {
  method: string;
  path: string;
  name: string;
}
let operations: Operation[];
/** Users, tokens and accounts of services have ids without a prefix. */
let bare: Operation[];

beforeAll(async () => {
  app = await testApp();
  const document = (await (await fetch(`${app.url}/api-doc/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string; parameters?: { in: string; schema: { format?: string } }[] }>>;
  };
  const withIdsOf = (isBare: boolean): Operation[] =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { operationId }]) => path.includes('{') && !NOT_MISSING.has(operationId))
        .filter(([, { parameters = [] }]) => parameters.some((one) => one.in === 'path' && one.schema.format === 'uuid') === isBare)
        .map(([method, { operationId: name }]) => ({ method: method.toUpperCase(), path, name })),
    );
  operations = withIdsOf(false);
  bare = withIdsOf(true);
});
afterAll(() => app.close());

/** The path with the id that `idOf` makes for each of its parts. */
function withIds(path: string, idOf: (prefix: string) => string): string {
  const parts = path.split('/');
  const inside = parts.map((part) => (part === '{path}' ? 'a.txt' : part));
  return inside.map((part, index) => (part.startsWith('{') ? idOf(PREFIXES[parts[index - 1] as string] as string) : part)).join('/');
}

/** What every operation answers when its ids are made by `idOf`. */
async function answersTo(idOf: (prefix: string) => string): Promise<Record<string, unknown[]>> {
  const answers: Record<string, unknown[]> = {};
  for (const { method, path, name } of operations) {
    const { status, json } = await app.call(method, withIds(path, idOf), BODIES[name]);
    answers[`${method} ${path}`] = [status, json?.['code']];
  }
  return answers;
}

test.each<[string, (prefix: string) => string, unknown[]]>([
  ['of nobody', (prefix) => `${prefix}_${HEX}`, [404, 'not_found']],
  ['of another kind', (prefix) => `${prefix === 'agent' ? 'session' : 'agent'}_${HEX}`, [400, 'malformed_id']],
  ['that is too short', (prefix) => `${prefix}_${HEX.slice(1)}`, [400, 'malformed_id']],
  ['in capitals', (prefix) => `${prefix}_${HEX.toUpperCase()}`, [400, 'malformed_id']],
  ['that is a bare UUID in capitals', () => '01933B5A-0000-7000-8000-000000000001', [400, 'malformed_id']],
  ['that goes elsewhere', () => '..%2F..%2Fsecret', [400, 'malformed_id']],
])('an id %s gets the same answer at every address, and changes nothing', async (_name, idOf, answer) => {
  const before = await app.rowCounts();
  const answers = await answersTo(idOf);
  expect(Object.keys(answers).length).toBeGreaterThan(35);
  expect(answers).toEqual(Object.fromEntries(Object.keys(answers).map((operation) => [operation, answer])));
  expect(await app.rowCounts()).toEqual(before);
});

test('an id without a prefix is missing or refused alike, and changes nothing', async () => {
  const before = await app.rowCounts();
  const own = toPublicId('organization', DEFAULT_ORG_ID);
  for (const { method, path, name } of bare) {
    for (const [id, answer] of [
      ['01933b5a-0000-7000-8000-0000000000ee', [404, 'not_found']],
      ['nonsense', [400, 'invalid_request']],
    ] as const) {
      const to = path.replace('/orgs/{id}', `/orgs/${own}`).replace(/\{\w+\}/g, id);
      const { status, json } = await app.call(method, to, BODIES[name]);
      expect([name, id, status, json?.['code']]).toEqual([name, id, ...answer]);
    }
  }
  expect(await app.rowCounts()).toEqual(before);
});
