import { fromPublicId, toPublicId } from '@everruns/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { authorizeUrl, registerClient } from '../oauth/testing/plain-client.ts';
import { testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';
import type { Person } from './testing/test-identity.ts';

/** What is there for others is answered for as what never was: status, headers and body. */

const NEVER = 'e'.repeat(32);
let app: TestApp;
/** Owner of an organization of their own, and somebody who is not in it. */
let owner: Person;
let stranger: Person;
let organization: string;

beforeAll(async () => {
  app = await testApp({ auth: 'full' });
  [owner, stranger] = [await app.person({ role: null }), await app.person({ role: 'member' })];
  organization = textOf((await app.call('POST', '/v1/orgs', { name: 'Private' }, owner.headers)).json['id']);
});
afterAll(() => app.close());

const inOrg = (): Record<string, string> => ({ ...owner.headers, 'x-org-id': organization });

/** What differs with each request, and what the request itself said. */
const PASSING = /^(date|x-request-id|ratelimit-.*|content-length|keep-alive)$/;
function visible({ status, headers, text }: Pick<Answer, 'status' | 'headers' | 'text'>, ...said: string[]): unknown {
  const without = (from: string): string => said.reduce((rest, one) => rest.replaceAll(one, '?'), from);
  return {
    status,
    text: without(text),
    headers: [...headers].filter(([name]) => !PASSING.test(name)).map(([name, value]) => [name, without(value)]),
  };
}

test('the owning organization of an id is told to its members alone', async () => {
  const session = textOf((await app.call('POST', '/v1/sessions', {}, inOrg())).json['id']);
  const agent = textOf((await app.call('POST', '/v1/agents', { name: 'private', system_prompt: 'p' }, inOrg())).json['id']);
  for (const [id, never] of [
    [session, `session_${NEVER}`],
    [agent, `agent_${NEVER}`],
    [organization, `org_${NEVER}`],
  ] as const) {
    const ask = (what: string, who: Person): Promise<Answer> => app.call('GET', `/v1/resolve-org?id=${what}`, undefined, who.headers);
    expect((await ask(id, owner)).json).toMatchObject({ org_id: organization });
    expect(visible(await ask(id, stranger), id)).toEqual(visible(await ask(never, stranger), never));
  }
});

test('an organization that is chosen, named in a path or switched to is as good as missing', async () => {
  const never = `org_${NEVER}`;
  const asks: ((org: string) => Promise<Answer>)[] = [
    (org) => app.call('GET', '/v1/agents', undefined, { ...stranger.headers, 'x-org-id': org }),
    (org) => app.call('GET', `/v1/orgs/${org}`, undefined, stranger.headers),
    (org) => app.call('GET', `/v1/orgs/${org}/members`, undefined, stranger.headers),
    (org) => app.call('POST', '/v1/users/me/switch-org', { org_id: org }, stranger.headers),
    (org) => app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x', organization_id: org }, stranger.headers),
  ];
  for (const ask of asks) {
    const [foreign, missing] = [await ask(organization), await ask(never)];
    expect(foreign.status).toBe(404);
    expect(visible(foreign, organization)).toEqual(visible(missing, never));
  }
});

test('an invitation is asked for alike whether or not its address has an account, and is nothing to anybody else', async () => {
  const invite = (email: string): Promise<Answer> => app.call('POST', `/v1/orgs/${organization}/invites`, { email }, inOrg());
  const [known, unknown] = [await invite(stranger.email), await invite('nobody@example.com')];
  const shapeOf = ({ status, json }: Answer): unknown => ({ status, members: Object.keys(json).sort(), role: json['role'] });
  expect(shapeOf(known)).toEqual(shapeOf(unknown));
  const accept = (token: string): Promise<Answer> => app.call('POST', `/v1/invites/${token}/accept`, {}, owner.headers);
  const id = fromPublicId('invitation', textOf(known.json['id'])) ?? '';
  const last = `evrinv_${app.identity.mailTokens('invite', id)}`;
  const never = `evrinv_${'e'.repeat(64)}`;
  expect(visible(await accept(last), last)).toEqual(visible(await accept(never), never));
  const accepted = await app.call('POST', `/v1/invites/${last}/accept`, {}, stranger.headers);
  expect([accepted.status, accepted.text]).toEqual([200, expect.stringContaining(organization)]);
});

test('a client that is known says no more to a browser than one that is not, when its address is another', async () => {
  const client = await registerClient(app.url, 'https://client.example/callback');
  const ask = async (id: string): Promise<unknown> => {
    const url = authorizeUrl(app.url, { ...client, id }, { redirect_uri: 'https://evil.example/', state: 'same' });
    const response = await fetch(url, { redirect: 'manual', headers: stranger.headers });
    return { status: response.status, location: response.headers.get('location'), hasForm: (await response.text()).includes('<form') };
  };
  const answer = await ask(client.id);
  expect(answer).toEqual(await ask(`mcp_client_${NEVER}`));
  expect(answer).toMatchObject({ status: 400, location: null, hasForm: false });
});

test('members of others, their tokens and service accounts are as good as missing', async () => {
  const account = textOf((await app.call('POST', '/v1/service-accounts', { name: 'x' }, inOrg())).json['id']);
  const token = textOf((await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x' }, inOrg())).json['id']);
  const own = await app.person({ role: 'owner' });
  const mine = toPublicId('organization', '00000000-0000-0000-0000-000000000001');
  const never = '01933b5a-0000-7000-8000-0000000000ee';
  const asks: [string, (id: string) => Promise<Answer>][] = [
    [account, (id) => app.call('GET', `/v1/service-accounts/${id}`, undefined, own.headers)],
    [account, (id) => app.call('POST', `/v1/service-accounts/${id}/tokens`, { name: 'x' }, own.headers)],
    [token, (id) => app.call('DELETE', `/v1/auth/personal-access-tokens/${id}`, undefined, own.headers)],
    [owner.userId, (id) => app.call('PATCH', `/v1/orgs/${mine}/members/${id}`, { role: 'member' }, own.headers)],
  ];
  for (const [id, ask] of asks) expect(visible(await ask(id), id)).toEqual(visible(await ask(never), never));
});
