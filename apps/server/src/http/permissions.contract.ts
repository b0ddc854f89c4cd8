import { createIdSource, DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { provisionOrganization } from '@everruns/storage';
import Fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { provisionPlan } from '../services/provisioning.ts';
import { ANYONE } from './caller.ts';
import { letIn } from './govern.ts';
import { createInnerCalls } from './inner-calls.ts';
import { nameOf, routesOf, streamsAndMonitoring } from './testing/all-routes.ts';
import type { KnownRoute } from './testing/all-routes.ts';
import { NOT_OF_ONE_ORGANIZATION, ONLY_WHOLE_CREDENTIALS, PERMISSION_TABLE, roleMeets } from './testing/permission-table.ts';
import { testApp, textOf } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';
import type { Api } from './types.ts';
import type { PersonOptions } from './testing/test-identity.ts';

/** Every route as everybody who might knock, with real credentials, against a table that was written by hand. */
const OTHER = createIdSource().next();

let app: TestApp;
let routes: KnownRoute[];

/** Who asks: the headers, and the organization that they are in. */
interface Asker {
  headers: Record<string, string>;
  orgId: Uuid;
}

/** Somebody who is logged in. */
async function login(options: PersonOptions): Promise<Asker> {
  const { headers } = await app.person(options);
  return { headers, orgId: options.orgId ?? DEFAULT_ORG_ID };
}

/** A token of somebody, bound to their organization. */
async function token(options: PersonOptions, ...scopes: string[]): Promise<Asker & { id: string; owner: Asker }> {
  const owner = await login(options);
  const made = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'walk', scopes }, owner.headers);
  const { json } = made;
  return { headers: { authorization: textOf(json['key']) }, orgId: owner.orgId, id: textOf(json['id']), owner };
}

async function revoked(): Promise<Asker> {
  const { id, owner, ...asker } = await token({}, '*');
  const { status } = await app.call('DELETE', `/v1/auth/personal-access-tokens/${id}`, undefined, owner.headers);
  expect(status).toBe(204);
  return asker;
}

async function expired(): Promise<Asker> {
  const { id, ...asker } = await token({}, '*');
  const text = `update personal_access_tokens set expires_at = now() - interval '1 second' where id = $1`;
  await app.db.run({ name: 'test_expired', text }, [id]);
  return asker;
}

async function loggedOut(): Promise<Asker> {
  const asker = await login({});
  await app.call('POST', '/v1/auth/logout', {}, asker.headers);
  return asker;
}

beforeAll(async () => {
  const { started, routes: found } = await routesOf(() => testApp({ plugins: streamsAndMonitoring, auth: 'full' }));
  app = started;
  routes = found;
  await app.db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER]);
  await app.db.transaction((tx) => provisionOrganization(tx, provisionPlan(OTHER, 'dev')));
  parameters = await documentedParameters();
});
afterAll(() => app.close());

/** Path parameters of the operation, as the document describes them. */
let parameters: ReadonlyMap<string, readonly Parameter[]>;

interface Parameter {
  name: string;
  in: string;
  schema: { pattern?: string; format?: string };
}

async function documentedParameters(): Promise<Map<string, Parameter[]>> {
  const document = (await (await fetch(`${app.url}/api-doc/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string; parameters?: Parameter[] }>>;
  };
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  return new Map(operations.map(({ operationId, parameters: all = [] }) => [operationId, all.filter((one) => one.in === 'path')]));
}

/** A path with ids that look like ids and belong to nothing; organizations are the caller's own. */
function pathOf({ url, operationId = '' }: KnownRoute, orgId: string): string {
  const known = parameters.get(operationId) ?? [];
  return url
    .replace(/:(\w+)/g, (_all, name: string) =>
      sample(
        known.find((one) => one.name === name),
        orgId,
      ),
    )
    .replace('*', 'nothing');
}

function sample(parameter: Parameter | undefined, orgId: string): string {
  const prefix = /^\^([a-z]+)_\[0-9a-f\]/.exec(parameter?.schema.pattern ?? '')?.[1];
  if (prefix === 'org') return toPublicId('organization', orgId);
  if (prefix !== undefined) return `${prefix}_${'e'.repeat(32)}`;
  return parameter?.schema.format === 'uuid' ? '01933b5a-0000-7000-8000-0000000000ee' : 'nothing';
}

async function statusOf(route: KnownRoute, { headers, orgId }: Asker): Promise<number> {
  const hasBody = !['GET', 'HEAD'].includes(route.method);
  const response = await fetch(app.url + pathOf(route, orgId), {
    method: route.method,
    headers: { ...headers, ...(hasBody ? { 'content-type': 'application/json' } : {}) },
    redirect: 'manual',
    ...(hasBody ? { body: '{}' } : {}),
  });
  await response.body?.cancel();
  return response.status;
}

type Expected = 400 | 401 | 403 | 404 | 'let in';
type Expectation = (policy: string, route: KnownRoute) => Expected;

/** What ends the credential or the account of whoever asks: these come last, one after the other. */
const LAST = ['logout', 'deleteMe']; // in the order from the very last

/** What was answered otherwise than the table says, one line each. */
async function differences(asker: Asker, expected: Expectation, among: readonly KnownRoute[] = routes): Promise<string[]> {
  const look = async (route: KnownRoute): Promise<string[]> => {
    const policy = PERMISSION_TABLE[nameOf(route)] ?? 'none';
    const status = await statusOf(route, asker);
    if (policy === 'page') return status !== 401 && status < 500 ? [] : [`${route.method} ${route.url}: ${status}`];
    const wanted = policy === 'open' ? 'let in' : expected(policy, route);
    // A refresh has its credential in the body, and here it has none.
    const isLetIn = (status !== 401 || nameOf(route) === 'refreshLogin') && status !== 403 && status < 500;
    const isAsWanted = wanted === 'let in' ? isLetIn : status === wanted;
    return isAsWanted ? [] : [`${route.method} ${route.url} (${policy}): ${status}, not ${wanted}`];
  };
  const [last = [], others = []] = [true, false].map((isLast) => among.filter((route) => LAST.includes(nameOf(route)) === isLast));
  const lines = await Promise.all(others.map(look));
  for (const route of last.toSorted((a, b) => LAST.indexOf(b.operationId ?? '') - LAST.indexOf(a.operationId ?? '')))
    lines.push(await look(route));
  return lines.flat();
}

/** Logins are for the API, and tokens for `/mcp` too. */
const role =
  (name: 'member' | 'admin' | 'owner', { also = [], isToken = false }: { also?: string[]; isToken?: boolean } = {}): Expectation =>
  (policy) => {
    if (policy === 'known') return isToken ? 'let in' : 401;
    return roleMeets(name, policy) || also.includes(policy) ? 'let in' : 403;
  };

test('every route is in the table, every row of the table has a route, and none is there twice', () => {
  const names = routes.map(nameOf);
  expect([...new Set(names)].sort()).toEqual(Object.keys(PERMISSION_TABLE).sort());
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test('a route that does not say what it asks of its caller stops the start', async () => {
  const bare: Api = Fastify();
  letIn(bare, () => ANYONE, createInnerCalls());
  bare.get('/open', { config: { open: true } }, () => 'said to be open');
  bare.get('/bare', () => 'open to all');
  await expect(bare.ready()).rejects.toThrow('Routes without a policy: GET /bare');
});

test.each<[string, () => Promise<Asker>]>([
  ['no credential', async () => ({ headers: {}, orgId: DEFAULT_ORG_ID })],
  ['a revoked token', revoked],
])('%s: 401, and nothing but the open routes answers', async (_who, asker) => {
  expect(await differences(await asker(), () => 401)).toEqual([]);
});

test.each<[string, () => Promise<Asker>]>([
  ['an expired token', expired],
  ['a login that has ended', loggedOut],
  ['a token that is none', async () => ({ headers: { authorization: `Bearer evr_pat_${'0'.repeat(64)}` }, orgId: DEFAULT_ORG_ID })],
])('%s: 401, in a sample of all routes', async (_who, asker) => {
  const sample = routes.filter((_route, index) => index % 10 === 0);
  expect(await differences(await asker(), () => 401, sample)).toEqual([]);
});

test('asking for the headers alone asks for the same', async () => {
  const guarded = routes.filter((route) => route.method === 'GET' && !['open', 'page'].includes(PERMISSION_TABLE[nameOf(route)] ?? ''));
  const nobody: Asker = { headers: {}, orgId: DEFAULT_ORG_ID };
  const answers = await Promise.all(guarded.map(async (route) => [route.url, await statusOf({ ...route, method: 'HEAD' }, nobody)]));
  expect(answers.filter(([, status]) => status !== 401)).toEqual([['/api/v1/sessions/:id/sse', 405]]); // has no headers alone
});

test.each<['a login' | 'a token', () => Promise<Asker>]>([
  ['a login', () => login({ orgId: OTHER })],
  ['a token', () => token({ orgId: OTHER }, '*')],
])('%s of another organization that names this one, or one that never was: 404', async (what, stranger) => {
  const notFound: Expectation = (policy) => (policy === 'known' && what === 'a login' ? 401 : 404);
  const { headers } = await stranger();
  const named = what === 'a login' ? toPublicId('organization', DEFAULT_ORG_ID) : `org_${'e'.repeat(32)}`;
  expect(await differences({ headers: { ...headers, 'x-org-id': named }, orgId: DEFAULT_ORG_ID }, notFound)).toEqual([]);
});

test('somebody of another organization: there as the role says, whatever the routes', async () => {
  expect(await differences(await login({ orgId: OTHER, role: 'owner' }), role('owner'))).toEqual([]);
});

test('somebody of no organization: asked to choose one, or told that the one in the path is not there', async () => {
  const expected: Expectation = (policy, { url }) => {
    if (policy === 'known') return 401;
    if (url.startsWith('/api/v1/orgs/:id')) return 404;
    return policy === 'user' ? 'let in' : policy === 'platform' ? 403 : 400;
  };
  expect(await differences(await login({ role: null }), expected)).toEqual([]);
});

test.each(['member', 'admin', 'owner'] as const)('%s: 403 for exactly what the role lacks', async (name) => {
  expect(await differences(await login({ role: name }), role(name))).toEqual([]);
});

test('a token of all scopes: as its owner, but not for what is beyond its organization', async () => {
  const asOwner = role('owner', { isToken: true });
  const expected: Expectation = (policy, route) => (NOT_OF_ONE_ORGANIZATION.includes(nameOf(route)) ? 403 : asOwner(policy, route));
  expect(await differences(await token({}, '*'), expected)).toEqual([]);
});

test('an operator: the installation as well', async () => {
  expect(await differences(await login({ isPlatformUser: true }), role('owner', { also: ['platform'] }))).toEqual([]);
});

describe('a token with scopes', () => {
  /** With a narrow one people look at themselves and at nothing that opens something. */
  const meets = (isWithin: (policy: string) => boolean): Expectation => {
    return (policy, route) => {
      if (policy === 'known') return 'let in';
      if (policy === 'user') return route.method === 'GET' && !ONLY_WHOLE_CREDENTIALS.includes(nameOf(route)) ? 'let in' : 403;
      return isWithin(policy) ? 'let in' : 403;
    };
  };

  test('read: all views, and no change', async () => {
    expect(
      await differences(
        await token({ isPlatformUser: true }, 'read'),
        meets((policy) => policy.endsWith(':view')),
      ),
    ).toEqual([]);
  });

  test('one permission: that, and the own profile', async () => {
    expect(
      await differences(
        await token({}, 'org:agents:manage'),
        meets((policy) => policy === 'org:agents:manage'),
      ),
    ).toEqual([]);
  });

  test('a scope never gives what the role lacks', async () => {
    expect(
      await differences(
        await token({ role: 'member' }, 'org:agents:dangerous', 'org:audit-logs:view'),
        meets(() => false),
      ),
    ).toEqual([]);
  });
});
