import { toPublicId } from '@everruns/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { Person } from './testing/test-identity.ts';
import type { TestApp } from './testing/test-app.ts';

/** Organizations as people who log in meet them: invited by mail, let in, and no longer. */
let app: TestApp;
let owner: Person;
let org: string;

beforeAll(async () => {
  app = await testApp({ auth: 'full', rates: { organizationsPerHour: 2 } });
  owner = await app.person({ role: null });
  org = textOf((await app.call('POST', '/v1/orgs', { name: 'Mail order' }, owner.headers)).json.id);
});
afterAll(() => app.close());

async function mailTo(email: string): Promise<string> {
  for (let n = 0; n < 500; n++) {
    const mail = app.mailbox.mails.findLast(({ to }) => to === email);
    if (mail !== undefined) return mail.text;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no mail to ${email}`);
}

const invitedTo = (text: string): string => /evrinv_[0-9a-f]{64}/.exec(text)?.[0] ?? 'none';

test('an invitation comes by mail, and only there; whoever accepts it is in until they are removed', async () => {
  const guest = await app.person({ role: null, email: 'guest@example.com' });
  expect((await app.call('GET', '/v1/agents', undefined, guest.headers)).json.code).toBe('organization_required');
  const invited = await app.call('POST', `/v1/orgs/${org}/invites`, { email: 'Guest@example.com' }, owner.headers);
  expect([invited.status, invited.json.token, invited.json.url]).toEqual([201, undefined, undefined]);
  const token = invitedTo(await mailTo('guest@example.com'));
  const accepted = await app.call('POST', `/v1/invites/${token}/accept`, undefined, guest.headers);
  expect(accepted.json).toEqual({ org_id: org, org_name: 'Mail order', role: 'member' });
  // The only organization of the guest: nothing has to be chosen.
  expect((await app.call('GET', '/v1/agents', undefined, guest.headers)).status).toBe(200);
  const bound = textOf((await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'bound' }, guest.headers)).json.key);
  const withKey = { authorization: `Bearer ${bound}` };
  expect((await app.call('GET', '/v1/agents', undefined, withKey)).status).toBe(200);

  expect((await app.call('DELETE', `/v1/orgs/${org}/members/${guest.userId}`, undefined, owner.headers)).status).toBe(204);
  expect((await app.call('GET', '/v1/agents', undefined, withKey)).status).toBe(401);
  expect((await app.call('GET', '/v1/agents', undefined, guest.headers)).json.code).toBe('organization_required');
  expect((await app.call('GET', '/v1/agents', undefined, { ...guest.headers, 'x-org-id': org })).status).toBe(404);
});

test('the table of mails and the audit log hold no token', async () => {
  await app.call('POST', `/v1/orgs/${org}/invites`, { email: 'second@example.com' }, owner.headers);
  const token = invitedTo(await mailTo('second@example.com'));
  const log = await app.call('GET', `/v1/orgs/${org}/audit-logs`, undefined, owner.headers);
  expect(rowsOf(log.json.data).map(({ action }) => action)).toContain('createInvitation');
  expect(log.text).not.toContain(token);
  const rows = await app.db.run({
    name: 'test_stored',
    text: `select i::text as row from org_invitations i union all select m::text from mail_outbox m`,
  });
  expect(JSON.stringify(rows)).not.toContain(token.slice('evrinv_'.length));
});

test('a role that is changed counts with the next request', async () => {
  const admin = await app.person({ role: null, email: 'admin@example.com' });
  const { json } = await app.call('POST', `/v1/orgs/${org}/invites`, { email: 'admin@example.com', role: 'admin' }, owner.headers);
  expect(json.role).toBe('admin');
  await app.call('POST', `/v1/invites/${invitedTo(await mailTo('admin@example.com'))}/accept`, undefined, admin.headers);
  const log = (): Promise<{ status: number }> => app.call('GET', `/v1/orgs/${org}/audit-logs`, undefined, admin.headers);
  expect((await log()).status).toBe(200);
  const role = await app.call('PATCH', `/v1/orgs/${org}/members/${admin.userId}`, { role: 'member' }, owner.headers);
  expect(role.status).toBe(200);
  expect((await log()).status).toBe(403);
});

test('somebody makes only so many organizations in an hour', async () => {
  const busy = await app.person({ role: null });
  const made = [];
  for (let n = 0; n < 3; n++) made.push(await app.call('POST', '/v1/orgs', { name: `Org ${n}` }, busy.headers));
  expect(made.map(({ status }) => status)).toEqual([201, 201, 429]);
  expect(Number(made[2]?.headers.get('retry-after'))).toBeGreaterThan(3_000);
});

test('whoever deletes the own account is nobody from then on, with every credential', async () => {
  const leaving = await app.person({ role: null });
  const own = textOf((await app.call('POST', '/v1/orgs', { name: 'Alone' }, leaving.headers)).json.id);
  const key = textOf(
    (await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'k' }, { ...leaving.headers, 'x-org-id': own })).json.key,
  );
  const exported = await app.call('GET', '/v1/users/me/export', undefined, leaving.headers);
  expect(rowsOf(exported.json.personal_access_tokens)).toMatchObject([{ name: 'k', org_id: own }]);
  expect(exported.text).not.toContain(key);
  expect((await app.call('DELETE', '/v1/users/me', undefined, leaving.headers)).json).toEqual({ deleted: true });
  for (const headers of [leaving.headers, { authorization: key }]) {
    expect((await app.call('GET', '/v1/auth/me', undefined, headers)).status).toBe(401);
  }
  const refreshed = await app.call('POST', '/v1/auth/refresh', { refresh_token: leaving.refreshToken });
  expect(refreshed.status).toBe(401);
  expect((await app.call('GET', `/v1/orgs/${toPublicId('organization', leaving.userId)}`, undefined, owner.headers)).status).toBe(404);
});
