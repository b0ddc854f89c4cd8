import { ANONYMOUS_USER_ID, DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nameOf, routesOf, streamsAndMonitoring } from './testing/all-routes.ts';
import type { KnownRoute } from './testing/all-routes.ts';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

interface Entry {
  org_id: string | null;
  actor_user_id: string | null;
  credential_kind: string;
  domain: string;
  action: string;
  target_type: string | null;
  target_id: string | null;
  reason: string | null;
  ip: string;
  request_id: string;
  metadata: Record<string, unknown>;
}

let app: TestApp;
let routes: KnownRoute[];

beforeAll(async () => {
  ({ started: app, routes } = await routesOf(() => testApp({ plugins: streamsAndMonitoring })));
});
afterAll(() => app.close());

async function entriesOf(requestId: string): Promise<Entry[]> {
  return app.db.run<Entry & Record<string, unknown>>(
    { name: 'test_audit', text: 'select * from audit_logs where request_id = $1 order by id' },
    [requestId],
  );
}

const reason = 'Everruns-Change-Reason';

/** What is asked with POST and changes nothing that is kept. */
const ASKED = `dryRunGuardrails grepMemoryFiles grepSessionFiles grepWorkspaceFiles previewAgent previewHarness previewSession searchKnowledgeBase
  statMemoryFile statSessionFile statWorkspaceFile switchOrganization validateSkill`;
/** What the events of a session tell. */
const IN_EVENTS = 'answerQuestions cancelSession createMessage decideToolCalls submitToolResults';
/** Getting in, and out: what came of it is told under the name of an event, by whoever knows. */
const NAMED = `login register refreshLogin logout forgotPassword resetPassword verifyEmail resendVerification startCliLogin exchangeCliCode
  startDeviceLogin pollDeviceLogin`;
const wordsOf = (...texts: string[]): string[] => texts.flatMap((text) => text.split(/\s+/)).sort();

describe('the audit log', () => {
  it('leaves out nothing but what is listed here', () => {
    const isLeftOut = ({ method, config: { audit, policy } }: KnownRoute): boolean =>
      method !== 'GET' && (audit !== undefined || (method === 'POST' && policy?.endsWith(':view') === true));
    const inDocument = routes.filter((route) => isLeftOut(route) && !route.isHidden);
    expect(inDocument.map(nameOf).sort()).toEqual(wordsOf(ASKED, IN_EVENTS, NAMED));
    // Pages, the authorization server and the endpoint of MCP, whose calls come in again by the routes that they are for.
    const others = routes.filter((route) => isLeftOut(route) && route.isHidden).map(({ url }) => url);
    expect(others.filter((url) => url.includes('/v1/'))).toEqual([]);
  });

  it('has each change with who, what, on which thing and why, before its answer is sent', async () => {
    const made = await app.call(
      'POST',
      '/v1/agents',
      { name: 'audited', system_prompt: 'A secret prompt.' },
      {
        'x-request-id': 'make-1',
        [reason]: encodeURIComponent('  für die Prüfung '),
      },
    );
    expect(made.status).toBe(201);
    expect(await entriesOf('make-1')).toMatchObject([
      {
        org_id: DEFAULT_ORG_ID,
        actor_user_id: ANONYMOUS_USER_ID,
        credential_kind: 'anonymous',
        domain: 'agents',
        action: 'createAgent',
        target_type: 'agent',
        target_id: made.json.id,
        reason: 'für die Prüfung',
        ip: '127.0.0.1',
        metadata: {},
      },
    ]);
    expect(JSON.stringify(await entriesOf('make-1'))).not.toContain('secret prompt');

    await app.call('PATCH', `/v1/agents/${textOf(made.json.id)}`, { description: 'x' }, { 'x-request-id': 'change-1' });
    await app.call('POST', `/v1/agents/${textOf(made.json.id)}/copy`, undefined, { 'x-request-id': 'copy-1' });
    await app.call('DELETE', `/v1/agents/${textOf(made.json.id)}`, undefined, { 'x-request-id': 'archive-1' });
    expect(await entriesOf('change-1')).toMatchObject([{ action: 'updateAgent', target_id: made.json.id, reason: null }]);
    const [copied] = await entriesOf('copy-1');
    expect(copied).toMatchObject({ action: 'copyAgent', target_type: 'agent', metadata: { within: made.json.id } });
    expect(copied?.target_id).not.toBe(made.json.id);
    expect(await entriesOf('archive-1')).toMatchObject([{ action: 'archiveAgent', target_type: 'agent', target_id: made.json.id }]);
  });

  it('names what is addressed by a name by the id that the answer tells', async () => {
    const put = await app.call('PUT', '/v1/agents/by-name', { name: 'by-name', system_prompt: 'x' }, { 'x-request-id': 'put-1' });
    expect(await entriesOf('put-1')).toMatchObject([{ action: 'putAgent', target_type: 'agent', target_id: put.json.id }]);
  });

  it('has nothing of reads, of previews and of what failed', async () => {
    const session = await app.call('POST', '/v1/sessions', {});
    await app.call('GET', `/v1/sessions/${textOf(session.json.id)}`, undefined, { 'x-request-id': 'read-1' });
    await app.call('POST', '/v1/agents/preview', { system_prompt: 'x' }, { 'x-request-id': 'read-2' });
    const missing = await app.call('DELETE', `/v1/sessions/${toPublicId('session', DEFAULT_ORG_ID)}`, undefined, {
      'x-request-id': 'miss-1',
    });
    expect(missing.status).toBe(404);
    for (const id of ['read-1', 'read-2', 'miss-1']) expect(await entriesOf(id)).toEqual([]);
  });

  it("leaves to the session's own log what that records, unless a reason is given", async () => {
    const session = await app.call('POST', '/v1/sessions', {}, { 'x-request-id': 'session-1' });
    expect(await entriesOf('session-1')).toMatchObject([{ action: 'createSession', domain: 'sessions', target_type: 'session' }]);
    const path = `/v1/sessions/${textOf(session.json.id)}`;
    const message = { message: { content: [{ type: 'text', text: 'Hello' }] } };
    expect((await app.call('POST', `${path}/messages`, message, { 'x-request-id': 'message-1' })).status).toBe(201);
    expect(await entriesOf('message-1')).toEqual([]);
    await app.call('POST', `${path}/cancel`, {}, { 'x-request-id': 'cancel-1', [reason]: 'runs too long' });
    expect(await entriesOf('cancel-1')).toMatchObject([{ action: 'cancelSession', target_id: session.json.id, reason: 'runs too long' }]);
  });

  it('shows operators what is of no organization', async () => {
    await app.db.run({
      name: 'test_login',
      text: `insert into audit_logs (id, domain, action, ip) values ('01933b5a-0000-7000-8000-000000000001', 'auth', 'auth.login.failure', '192.0.2.7')`,
    });
    const { json } = await app.call('GET', '/v1/audit-logs?action=auth.login.failure');
    expect(rowsOf(json.data)).toMatchObject([{ domain: 'auth', action: 'auth.login.failure', ip: '192.0.2.7' }]);
    expect((await app.call('GET', '/v1/audit-logs?domain=agents')).json).toEqual({ data: [] });
  });

  it('refuses a reason that cannot be stored, and changes nothing', async () => {
    const before = await app.rowCounts();
    for (const bad of ['a%00b', 'x'.repeat(1_001), '100%', `evr_pat_${'ab'.repeat(32)}`]) {
      const answer = await app.call('POST', '/v1/agents', { name: 'never', system_prompt: 'x' }, { [reason]: bad });
      expect([answer.status, answer.json.code]).toEqual([400, 'invalid_change_reason']);
      expect(answer.text).not.toContain(bad);
    }
    expect(await app.rowCounts()).toEqual(before);
  });
});
