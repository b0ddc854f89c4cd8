import { expect, test } from 'vitest';
import { mayGrant, ROLE_PERMISSIONS, withinScopes } from './permissions.ts';

/** The table as people state it: what each role may do. */
test('members see everything but the audit log, and manage what agents are made of', () => {
  const managed = [...ROLE_PERMISSIONS.member].filter((permission) => permission.endsWith(':manage'));
  expect(managed).toEqual(
    ['agents', 'sessions', 'capabilities', 'mcp-servers', 'skills', 'memories', 'knowledge'].map((resource) => `org:${resource}:manage`),
  );
  expect(ROLE_PERMISSIONS.member.has('org:audit-logs:view')).toBe(false);
  expect(ROLE_PERMISSIONS.member.has('org:members:view')).toBe(true);
  expect([...ROLE_PERMISSIONS.member].some((permission) => permission.endsWith(':dangerous'))).toBe(false);
});

test('administrators may do everything that can be undone, owners everything', () => {
  const more = [...ROLE_PERMISSIONS.owner].filter((permission) => !ROLE_PERMISSIONS.admin.has(permission));
  expect(more.every((permission) => permission.endsWith(':dangerous'))).toBe(true);
  expect(ROLE_PERMISSIONS.admin.has('org:audit-logs:view')).toBe(true);
});

test('the scopes of a token narrow, and never widen', () => {
  const { member, admin } = ROLE_PERMISSIONS;
  expect(withinScopes(member, ['*'])).toEqual(member);
  expect([...withinScopes(member, ['org:providers:manage', 'org:agents:view'])]).toEqual(['org:agents:view']);
  expect([...withinScopes(admin, ['read'])].every((permission) => permission.endsWith(':view'))).toBe(true);
  expect(withinScopes(admin, ['everything']).size).toBe(0);
});

test('nobody gives more than their own role', () => {
  expect([mayGrant('owner', 'owner'), mayGrant('admin', 'owner'), mayGrant('admin', 'admin'), mayGrant('member', 'admin')]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});
