import { expect, test } from 'vitest';
import { isTokenText, newTokenText } from './token-text.ts';
import { reachOf, requireWholeAccount, scopesOf } from './token-rules.ts';

const ORG = '00000000-0000-7000-8000-000000000001';
const OTHER = '00000000-0000-7000-8000-000000000002';
const bound = { org_id: ORG, scopes: ['*'] };
const free = { org_id: null, scopes: ['*'] };

test('a token is its prefix and 64 hex digits, shows eight of them, and is kept as a hash', () => {
  const { text, hash, prefix } = newTokenText();
  expect(isTokenText(text)).toBe(true);
  expect(prefix).toBe(`${text.slice(0, 16)}...`);
  expect(hash).toHaveLength(32);
  for (const other of [text.toUpperCase(), text.slice(0, -1), `${text}0`, ` ${text}`, `evr_${text.slice(8)}`, ''])
    expect(isTokenText(other)).toBe(false);
});

test.each([
  [undefined, ['*'], ['*']],
  [undefined, ['read'], ['read']],
  [['read', 'read'], ['*'], ['read']],
  [['org:agents:view'], ['read'], ['org:agents:view']],
  [['org:agents:manage'], ['read', 'org:agents:manage'], ['org:agents:manage']],
])('scopes %j within %j are %j', (wanted, own, scopes) => {
  expect(scopesOf(wanted, own)).toEqual(scopes);
});

test.each([
  [['*'], ['read'], 'forbidden'],
  [['org:agents:manage'], ['read'], 'forbidden'],
  [['read'], ['org:agents:view'], 'forbidden'],
  [['read', 'everything'], ['*'], 'unsupported_pat_scopes'],
  [['org:agents:*'], ['*'], 'unsupported_pat_scopes'],
])('scopes %j within %j are refused with %s', (wanted, own, code) => {
  expect(() => scopesOf(wanted, own)).toThrow(expect.objectContaining({ code, field: 'scopes' }));
});

test('a token reaches the organization that is asked for, else its maker’s, else the chosen one, or all', () => {
  expect(reachOf({ chosen: ORG }, null)).toBe(ORG);
  expect(reachOf({ chosen: ORG, organization_id: OTHER }, null)).toBe(OTHER);
  expect(reachOf({ chosen: null }, bound)).toBe(ORG);
  expect(reachOf({ chosen: ORG, all_organizations: true }, free)).toBeNull();
  expect(() => reachOf({ chosen: null }, free)).toThrow(expect.objectContaining({ code: 'organization_required' }));
  expect(() => reachOf({ chosen: ORG, organization_id: OTHER }, bound)).toThrow(expect.objectContaining({ code: 'not_found' }));
  expect(() => reachOf({ chosen: ORG, all_organizations: true }, bound)).toThrow(expect.objectContaining({ code: 'forbidden' }));
});

test('what may use an account only in part changes nothing about who gets in', () => {
  const with_ = (kind: 'login' | 'personal_access_token' | 'mcp_access_token', scopes: string[]) => ({
    credential: { kind, id: null, scopes, boundOrgId: null },
  });
  requireWholeAccount(with_('login', ['*']));
  requireWholeAccount(with_('personal_access_token', ['*']));
  for (const refused of [with_('personal_access_token', ['read']), with_('mcp_access_token', ['*'])]) {
    expect(() => requireWholeAccount(refused)).toThrow(expect.objectContaining({ code: 'forbidden' }));
  }
});
