import { expect, test } from 'vitest';
import { groupScopes, scopesText } from './scope-choice.ts';

const SCOPES = ['*', 'read', 'org:agents:view', 'org:agents:manage', 'org:mcp-servers:view', 'org:members:manage'].map((scope) => ({
  scope,
  description: '',
}));

test('permissions of one kind stand together, without those that the caller lacks', () => {
  expect(groupScopes(SCOPES, ['org:agents:view', 'org:agents:manage', 'org:mcp-servers:view'])).toEqual([
    {
      resource: 'agents',
      title: 'Agents',
      scopes: [
        { scope: 'org:agents:view', label: 'See' },
        { scope: 'org:agents:manage', label: 'Change' },
      ],
    },
    { resource: 'mcp-servers', title: 'MCP servers', scopes: [{ scope: 'org:mcp-servers:view', label: 'See' }] },
  ]);
});

test('what a token may do is said in few words', () => {
  expect([['*', 'read'], ['read'], ['org:agents:view'], ['read', 'org:agents:manage', 'org:skills:manage'], []].map(scopesText)).toEqual([
    'Everything',
    'See everything',
    '1 permission',
    'See everything and 2 permissions',
    'Nothing',
  ]);
});
