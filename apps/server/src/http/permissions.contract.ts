import {
  fromPublicId,
  PlatformError,
  ROLE_PERMISSIONS,
  toPublicId,
  withinScopes,
  createIdSource,
  DEFAULT_ORG_ID,
} from '@everruns/contract';
import type { Role } from '@everruns/contract';
import { provisionOrganization } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { provisionPlan } from '../services/provisioning.ts';
import { ANYONE } from './caller.ts';
import type { Authenticate } from './authenticate.ts';
import { nameOf, routesOf, streamsAndMonitoring } from './testing/all-routes.ts';
import type { KnownRoute } from './testing/all-routes.ts';
import { PERMISSION_TABLE, roleMeets } from './testing/permission-table.ts';
import { testApp } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

/** Every route as everybody who might knock, against a table that was written by hand. */
const ids = createIdSource();
const OTHER = ids.next();

const as = (who: string, scopes = '*'): Record<string, string> => ({ authorization: `${who} ${scopes}` });

let app: TestApp;
let routes: KnownRoute[];

const STAND_IN: Authenticate = (request) => {
  const [who = '', scopes = '*'] = (request.headers.authorization ?? '').split(' ');
  if (who === '' || who === 'revoked') throw new PlatformError('unauthenticated', 'no');
  const orgId = who === 'stranger' ? OTHER : DEFAULT_ORG_ID;
  const wanted = request.headers['x-org-id'];
  if (typeof wanted === 'string' && fromPublicId('organization', wanted) !== orgId) throw new PlatformError('not_found', 'no');
  const role = (who === 'stranger' || who === 'operator' ? 'owner' : who) as Role;
  return {
    ...ANYONE,
    orgId,
    role,
    permissions: withinScopes(ROLE_PERMISSIONS[role], [scopes]),
    isPlatformUser: who === 'operator',
    credential: { kind: 'personal_access_token', id: null, scopes: [scopes], boundOrgId: null },
  };
};

beforeAll(async () => {
  const { started, routes: found } = await routesOf(() => testApp({ plugins: streamsAndMonitoring, authenticate: STAND_IN }));
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

async function statusOf(route: KnownRoute, headers: Record<string, string>): Promise<number> {
  const hasBody = route.method !== 'GET';
  const orgId = headers['authorization']?.startsWith('stranger') === true ? OTHER : DEFAULT_ORG_ID;
  const response = await fetch(app.url + pathOf(route, orgId), {
    method: route.method,
    headers: { ...headers, ...(hasBody ? { 'content-type': 'application/json' } : {}) },
    redirect: 'manual',
    ...(hasBody ? { body: '{}' } : {}),
  });
  await response.body?.cancel();
  return response.status;
}

type Expected = 401 | 403 | 404 | 'let in';

/** What was answered otherwise than the table says, one line each. */
async function differences(headers: Record<string, string>, expected: (policy: string, route: KnownRoute) => Expected): Promise<string[]> {
  const lines = await Promise.all(
    routes.map(async (route) => {
      const policy = PERMISSION_TABLE[nameOf(route)] ?? 'none';
      const wanted = policy === 'open' ? 'let in' : expected(policy, route);
      const status = await statusOf(route, headers);
      // A refresh has its credential in the body, and here it has none.
      const isLetIn = (status !== 401 || nameOf(route) === 'refreshLogin') && status !== 403 && status < 500;
      const isAsWanted = wanted === 'let in' ? isLetIn : status === wanted;
      return isAsWanted ? [] : [`${route.method} ${route.url} (${policy}): ${status}, not ${wanted}`];
    }),
  );
  return lines.flat();
}

test('every route is in the table, every row of the table has a route, and none is there twice', () => {
  const names = routes.map(nameOf);
  expect([...new Set(names)].sort()).toEqual(Object.keys(PERMISSION_TABLE).sort());
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test.each([
  ['no credential', {}],
  ['a revoked token', () => as('revoked')],
])('%s: 401, and nothing but the open routes answers', async (_who, headers) => {
  expect(await differences(typeof headers === 'function' ? headers() : headers, () => 401)).toEqual([]);
});

test('a token of another organization that names this one: 404, as for an organization that never was', async () => {
  const named = { ...as('stranger'), 'x-org-id': toPublicId('organization', DEFAULT_ORG_ID) };
  expect(await differences(named, () => 404)).toEqual([]);
  expect(await differences({ ...named, 'x-org-id': `org_${'e'.repeat(32)}` }, () => 404)).toEqual([]);
});

test('the same token in its own organization: as its role there', async () => {
  expect(await differences(as('stranger'), (policy) => (roleMeets('owner', policy) ? 'let in' : 403))).toEqual([]);
});

test.each(['member', 'admin', 'owner'] as const)('%s: 403 for exactly what the role lacks', async (role) => {
  expect(await differences(as(role), (policy) => (roleMeets(role, policy) ? 'let in' : 403))).toEqual([]);
});

test('an operator: the installation as well', async () => {
  const isMet = (policy: string): boolean => policy === 'platform' || roleMeets('owner', policy);
  expect(await differences(as('operator'), (policy) => (isMet(policy) ? 'let in' : 403))).toEqual([]);
});

describe('a token of an owner with scopes', () => {
  const onlyReads = (policy: string, { method }: KnownRoute): boolean =>
    policy === 'user' ? method === 'GET' : policy === 'known' || policy.endsWith(':view');

  test('read: all views, and no change', async () => {
    expect(await differences(as('owner', 'read'), (policy, route) => (onlyReads(policy, route) ? 'let in' : 403))).toEqual([]);
  });

  test('one permission: that, and the own profile', async () => {
    const isMet = (policy: string, { method }: KnownRoute): boolean =>
      policy === 'user' ? method === 'GET' : policy === 'known' || policy === 'org:agents:manage';
    expect(await differences(as('owner', 'org:agents:manage'), (policy, route) => (isMet(policy, route) ? 'let in' : 403))).toEqual([]);
  });

  test('a scope never gives what the role lacks', async () => {
    const isMet = (policy: string, { method }: KnownRoute): boolean => policy === 'known' || (policy === 'user' && method === 'GET');
    expect(await differences(as('member', 'org:agents:dangerous'), (policy, route) => (isMet(policy, route) ? 'let in' : 403))).toEqual([]);
  });
});
