import { DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import type { Role } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT_EXAMPLES } from '../services/seeds/agents.ts';
import { as, people, withToken } from './testing/people.ts';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

/** Capabilities of high risk: who may give them to an agent, by every way that there is. */
const known = people(() => app.db);
const RISKY = 'web_fetch';
const SAFE = 'current_time';
let app: TestApp;
let member: Record<string, string>;
let admin: Record<string, string>;

beforeAll(async () => {
  app = await testApp({ authenticate: known.authenticate });
  const join = async (role: Role): Promise<Record<string, string>> => {
    const userId = await known.person(app.db, `${role}@example.com`);
    await known.join(app.db, DEFAULT_ORG_ID, userId, role);
    return as(userId, DEFAULT_ORG_ID);
  };
  [member, admin] = [await join('member'), await join('admin')];
});
afterAll(() => app.close());

const refs = (...names: string[]): { ref: string }[] => names.map((ref) => ({ ref }));
const agent = (name: string, ...names: string[]): object => ({ name, system_prompt: 'x', capabilities: refs(...names) });
const text = (headers: Record<string, string>): Record<string, string> => ({ ...headers, 'content-type': 'text/plain' });
const refused = ({ status, json }: Answer): void => {
  expect([status, json.code, json.field]).toEqual([403, 'forbidden', 'capabilities']);
};

describe('capabilities of high risk', () => {
  it.each<[string, (headers: Record<string, string>) => Promise<Answer>]>([
    ['a new agent', (who) => app.call('POST', '/v1/agents', agent('new', RISKY), who)],
    ['a new agent by PUT', (who) => app.call('PUT', '/v1/agents/put', agent('put', RISKY), who)],
    ['an import', (who) => app.call('POST', '/v1/agents/import', JSON.stringify(agent('imported', RISKY)), text(who))],
    ['a session', (who) => app.call('POST', '/v1/sessions', { capabilities: refs(RISKY) }, who)],
  ])('come with %s of an administrator, not of a member', async (_way, make) => {
    refused(await make(member));
    expect((await make(admin)).status).toBeLessThan(300);
  });

  it('come over the MCP endpoint as they do over REST, and are in the audit log alike', async () => {
    const execute = async (who: Record<string, string>, name: string): Promise<Record<string, unknown>> => {
      const response = await fetch(`${app.url}/mcp`, {
        method: 'POST',
        headers: { ...who, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name: 'execute', arguments: { operation: 'createAgent', body: agent(name, RISKY) } },
        }),
      });
      return ((await response.json()) as { result: { structuredContent: Record<string, unknown> } }).result.structuredContent;
    };
    expect(await execute(member, 'by-mcp')).toMatchObject({ code: 'forbidden' });
    expect(await execute(admin, 'by-mcp')).toMatchObject({ status: 201 });
    const log = await app.call('GET', `/v1/orgs/${toPublicId('organization', DEFAULT_ORG_ID)}/audit-logs?limit=1`, undefined, admin);
    expect(rowsOf(log.json.data)).toMatchObject([{ action: 'createAgent', actor_user_id: admin.authorization, target: { type: 'agent' } }]);
  });

  it('come with an example only when an administrator uses it', async () => {
    const risky = AGENT_EXAMPLES.find(({ capabilities }) => capabilities.some(({ ref }) => [RISKY, 'bashkit_shell'].includes(ref)));
    expect(risky).toBeDefined();
    const use = (who: Record<string, string>) => app.call('POST', `/v1/agents/import?from-example=${risky?.name}`, '', text(who));
    refused(await use(member));
    expect((await use(admin)).status).toBe(201);
  });

  it('stay when a member changes the rest, and cannot be set otherwise, taken over or be put back', async () => {
    const made = await app.call('POST', '/v1/agents', agent('grandfathered', RISKY), admin);
    const path = `/v1/agents/${textOf(made.json.id)}`;
    const change = (body: object): Promise<Answer> => app.call('PATCH', path, body, member);
    expect((await change({ description: 'by a member' })).status).toBe(200);
    expect((await change({ capabilities: refs(RISKY, SAFE) })).status).toBe(200);
    expect((await app.call('PUT', path, agent('grandfathered', SAFE, RISKY), member)).status).toBe(200);
    const imported = JSON.stringify({ id: made.json.id, ...agent('grandfathered', RISKY) });
    expect((await app.call('POST', '/v1/agents/import', imported, text(member))).status).toBe(200);
    refused(await change({ capabilities: [...refs(RISKY), { ref: 'bashkit_shell' }] }));
    refused(await app.call('POST', `${path}/copy`, undefined, member));
    expect((await app.call('POST', '/v1/agents/preview', { system_prompt: 'x', capabilities: refs(RISKY) }, member)).status).toBe(200);
    expect((await change({ capabilities: refs(SAFE) })).status).toBe(200);
    refused(await change({ capabilities: refs(RISKY) }));
    expect((await app.call('PATCH', path, { capabilities: refs(RISKY) }, admin)).status).toBe(200);
    expect((await app.call('POST', `${path}/copy`, undefined, admin)).status).toBe(201);
  });

  it('are used by everybody, in sessions and their forks', async () => {
    const made = await app.call('POST', '/v1/agents', agent('for-all', RISKY), admin);
    expect((await app.call('POST', '/v1/sessions', { agent_id: made.json.id }, member)).status).toBe(201);
    const session = await app.call('POST', '/v1/sessions', { capabilities: refs(RISKY) }, admin);
    const fork = `/v1/sessions/${textOf(session.json.id)}/fork`;
    expect((await app.call('POST', fork, {}, member)).status).toBe(201);
    refused(await app.call('POST', fork, { capabilities: refs('bashkit_shell') }, member));
  });

  it("are beyond an administrator's token that is only for agents", async () => {
    refused(await app.call('POST', '/v1/agents', agent('by-token', RISKY), withToken(admin, { scopes: 'org:agents:manage' })));
  });

  it('are for harnesses, too, which members do not change at all', async () => {
    const harness = { name: 'risky', system_prompt: 'x', capabilities: refs(RISKY) };
    expect((await app.call('POST', '/v1/harnesses', harness, member)).status).toBe(403);
    expect((await app.call('POST', '/v1/harnesses', harness, admin)).status).toBe(201);
    refused(await app.call('POST', '/v1/harnesses', { ...harness, name: 'other' }, withToken(admin, { scopes: 'org:harnesses:manage' })));
  });
});
