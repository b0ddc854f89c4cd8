import { createIdSource, DEFAULT_ORG_ID, durableEventId, fromPublicId, toPublicId } from '@everruns/contract';
import { provisionOrganization } from '@everruns/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { provisionPlan } from '../services/provisioning.ts';
import { ANYONE } from './caller.ts';
import { streamsAndMonitoring } from './testing/all-routes.ts';
import { BELONGINGS, makeBelongings, sendPixel } from './testing/belongings.ts';
import type { Belonging, Belongings } from './testing/belongings.ts';
import { filledPlaces, idPlaces } from './testing/id-places.ts';
import type { Document } from './testing/id-places.ts';
import { FORM, ISOLATION_REQUESTS, OWNERLESS } from './testing/isolation-requests.ts';
import { testApp } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

/** What belongs to another organization is not there: every route answers for it as it does for what never was. */
const ids = createIdSource();
const OTHER = ids.next();
const AS_OTHER = { 'x-test-org': toPublicId('organization', OTHER) };
const [FIRST_USER, OTHER_USER] = [ids.next(), ids.next()];
const NEVER = 'e'.repeat(32);
/** Ids of events have more of a form than others. */
const neverOf = (kind: Belonging): string => {
  const prefix = BELONGINGS[kind];
  if (prefix === null) return ids.next();
  return kind === 'event' ? durableEventId(ids.next(), 1, Date.now(), 1) : `${prefix}_${NEVER}`;
};

let app: TestApp;
let mine: Belongings;
/** Of the other organization, whose callers ask. */
let own: Belongings;

beforeAll(async () => {
  app = await testApp({
    plugins: streamsAndMonitoring,
    authenticate: (request) => {
      const org = request.headers['x-test-org'];
      return typeof org === 'string' ? { ...ANYONE, userId: OTHER_USER, orgId: fromPublicId('organization', org) } : ANYONE;
    },
  });
  await app.db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER]);
  await app.db.transaction((tx) => provisionOrganization(tx, provisionPlan(OTHER, 'dev')));
  const user = `with u as (insert into users (id, email, name) values ($1, $1::uuid::text || '@example.com', 'Somebody') returning id)
    insert into org_members (org_id, user_id, role) select $2, id, 'owner' from u`;
  for (const member of [
    [FIRST_USER, DEFAULT_ORG_ID],
    [OTHER_USER, OTHER],
  ]) {
    await app.db.run({ name: 'test_member', text: user }, member);
  }
  mine = await makeBelongings(app, { orgId: DEFAULT_ORG_ID, userId: FIRST_USER, headers: {}, name: 'mine' });
  own = await makeBelongings(app, { orgId: OTHER, userId: OTHER_USER, headers: AS_OTHER, name: 'own' });
});
afterAll(() => app.close());

type IdOf = (kind: Belonging) => string;

const filled = (text: string, idOf: IdOf): string =>
  text.replace(/\{(own_)?(\w+)\}/g, (_all, isOwn: string | undefined, kind: Belonging) => (isOwn === undefined ? idOf(kind) : own[kind]));

/** The same but for what the request itself says: path, ids, and the request's own id. */
function comparable(answer: Answer, idOf: IdOf): unknown {
  let text = answer.text;
  for (const kind of Object.keys(BELONGINGS) as Belonging[]) text = text.replaceAll(idOf(kind), `{${kind}}`);
  const headers = [...answer.headers].filter(([name]) => !['date', 'x-request-id', 'content-length', 'etag'].includes(name));
  return { status: answer.status, text, headers };
}

/** The same id each time it is asked for. */
function cached(idOf: IdOf): IdOf {
  const known = new Map<Belonging, string>();
  return (kind) => known.get(kind) ?? known.set(kind, idOf(kind)).get(kind) ?? '';
}

/** These only choose among what is the caller's own: an id of somebody else chooses nothing. */
const isChoice = (method: string, path: string): boolean => method === 'GET' && /\?.*\{/.test(path);

test.each(ISOLATION_REQUESTS)('%s %s %j', async (method, path, body) => {
  const call = async (idOf: IdOf): Promise<{ status: number }> => {
    const to = filled(path, idOf);
    if (body === FORM) return comparable(await sendPixel(app, to, AS_OTHER), idOf) as { status: number };
    const sent = body === undefined ? undefined : filled(JSON.stringify(body), idOf);
    const headers = { ...AS_OTHER, ...(sent === undefined ? {} : { 'content-type': 'application/json' }) };
    return comparable(await app.call(method, to, sent, headers), idOf) as { status: number };
  };
  const before = await app.rowCounts();
  const foreign = await call((kind) => mine[kind]);
  expect(foreign).toEqual(await call(cached(neverOf)));
  if (!isChoice(method, path)) expect(foreign.status).toBeGreaterThanOrEqual(400);
  expect(await app.rowCounts()).toEqual(before);
});

test('every path, query and body member that takes an id is asked for here', async () => {
  const document = (await (await fetch(`${app.url}/api-doc/openapi.json`)).json()) as Document;
  const places = idPlaces(document);
  const asked = new Set(ISOLATION_REQUESTS.flatMap((request) => filledPlaces(document, request)));
  expect(places.filter((place) => !asked.has(place) && OWNERLESS[place] === undefined)).toEqual([]);
  expect(Object.keys(OWNERLESS).filter((place) => !places.includes(place))).toEqual([]);
  expect([...asked].filter((place) => place.startsWith('no operation'))).toEqual([]);
});

test('lists show nothing of it', async () => {
  for (const path of [
    '/v1/agents',
    '/v1/sessions',
    '/v1/sessions/facets',
    '/v1/images',
    '/v1/tasks',
    '/v1/task-webhooks',
    '/v1/harnesses',
    '/v1/providers',
    '/v1/models',
    '/v1/skills',
    '/v1/memories',
    '/v1/memories?scope=agent',
    '/v1/knowledge-bases',
  ]) {
    const { text } = await app.call('GET', path, undefined, AS_OTHER);
    for (const id of Object.values(mine)) expect(text).not.toContain(id);
  }
  expect((await app.call('GET', '/v1/sessions/stats', undefined, AS_OTHER)).json).toMatchObject({ total: 1 });
  expect((await app.call('GET', '/v1/agents/check-name?name=mine', undefined, AS_OTHER)).json).toEqual({ available: true });
});

test('one id may be an agent of two organizations, each with its own', async () => {
  const body = { id: mine.agent, name: 'same-id', system_prompt: 'theirs' };
  expect((await app.call('POST', '/v1/agents', body, AS_OTHER)).status).toBe(201);
  expect((await app.call('GET', `/v1/agents/${mine.agent}`)).json['system_prompt']).toBe('p');
  expect((await app.call('GET', `/v1/agents/${mine.agent}`, undefined, AS_OTHER)).json['system_prompt']).toBe('theirs');
});
