import { expect, test } from 'vitest';
import { actionText, askedOf, midnightOf } from './audit-words.ts';

test('actions are read as words', () => {
  expect(['createAgent', 'auth.login.success', 'updateMcpServer', 'member.account_deleted', ''].map(actionText)).toEqual([
    'Create agent',
    'Auth login success',
    'Update mcp server',
    'Member account deleted',
    '',
  ]);
});

test('days are asked for from their first to their last hour where the browser is', () => {
  expect(askedOf({ since: '2026-02-28', until: '2026-02-28', entry: 'audit_1' }, 50)).toEqual({
    limit: 50,
    since: new Date(2026, 1, 28).toISOString(),
    until: new Date(2026, 2, 1).toISOString(),
  });
});

test('what is no day is not asked for', () => {
  expect(midnightOf('yesterday')).toBeNull();
  expect(askedOf({ since: '2026', until: 'x' }, 10)).toEqual({ limit: 10 });
});
