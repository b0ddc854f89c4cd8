import { PlatformError, toPublicId } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import { describe, expect, test } from 'vitest';
import type { KnownUser } from '../identity/lookup.ts';
import { credentialOf } from './authenticate.ts';
import { chooseOrganization } from './organization-choice.ts';

const [A, B, C] = ['a', 'b', 'c'].map((digit): Uuid => `00000000-0000-0000-0000-00000000000${digit}`) as [Uuid, Uuid, Uuid];
const PUBLIC = Object.fromEntries([A, B, C].map((id) => [id, toPublicId('organization', id)]));

function user(...orgIds: Uuid[]): KnownUser {
  const memberships = orgIds.map((orgId): { orgId: Uuid; role: Role } => ({ orgId, role: 'member' }));
  return { userId: A, kind: 'person', email: 'a@example.com', name: 'A', isPlatformUser: false, memberships };
}

/** The id that is chosen, or the code of the refusal. */
function chosen(of: KnownUser, wish: { header?: string; cookie?: string }, bound: Uuid | null = null): string | null {
  try {
    return chooseOrganization(of, { header: wish.header, cookie: wish.cookie }, bound)?.orgId ?? null;
  } catch (error) {
    return error instanceof PlatformError ? error.code : 'another error';
  }
}

describe('the organization of a request', () => {
  const header = PUBLIC[B] as string;
  const cookie = PUBLIC[C] as string;
  test.each([
    ['the only one', [user(A), {}, null], A],
    ['none of several', [user(A, B), {}, null], null],
    ['none of none', [user(), {}, null], null],
    ['the one of the header', [user(A, B, C), { header, cookie }, null], B],
    ['missing for who is no member', [user(A), { header }, null], 'not_found'],
    ['refused when it is no id', [user(A), { header: 'org_1' }, null], 'malformed_id'],
    ['the one of the cookie', [user(A, B, C), { cookie }, null], C],
    ['the only one although the cookie is stale', [user(A), { cookie }, null], A],
    ['the only one although the cookie is no id', [user(A), { cookie: 'x' }, null], A],
    ['the one of a bound token', [user(A, B), {}, B], B],
    ['the one of a bound token whatever the cookie says', [user(A, B, C), { cookie }, B], B],
    ['the one of a bound token that the header names too', [user(A, B), { header }, B], B],
    ['missing beside the one of a bound token', [user(A, B), { header }, A], 'not_found'],
    ['none for a bound token whose user has left', [user(A), {}, B], 'unauthenticated'],
  ] as const)('is %s', (_name, [of, wish, bound], expected) => expect(chosen(of, wish, bound)).toBe(expected));
});

test.each([
  [undefined, undefined, null],
  [undefined, 'c', ['login', 'c', true]],
  ['Bearer j.w.t', 'c', ['login', 'j.w.t', false]],
  ['bEARER\tj.w.t ', undefined, ['login', 'j.w.t', false]],
  ['Bearer evr_pat_1', undefined, ['token', 'evr_pat_1', false]],
  ['ApiKey evr_pat_1', undefined, ['token', 'evr_pat_1', false]],
  ['evr_pat_1', 'c', ['token', 'evr_pat_1', false]],
  ['ApiKey j.w.t', 'c', null],
  ['j.w.t', 'c', null],
  ['Basic eDp5', 'c', null],
  ['', 'c', null],
  ['Bearer a b', 'c', null],
])('%j with the cookie %j is the credential %j', (header, cookie, expected) => {
  const found = credentialOf(header, cookie);
  expect(found === null ? null : [found.kind, found.text, found.isCookie]).toEqual(expected);
});
