import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testApp } from '../http/testing/test-app.ts';
import type { TestApp } from '../http/testing/test-app.ts';
import type { Person } from '../http/testing/test-identity.ts';
import { agree, openBrowser } from './testing/browser.ts';
import { clientMemory, connected, transportOf } from './testing/sdk-client.ts';

let app: TestApp;
let person: Person;

beforeAll(async () => {
  app = await testApp({ auth: 'full' });
  person = await app.person({ name: 'Ada' });
});
afterAll(() => app.close());

describe('the official client', () => {
  test.each(['none', 'client_secret_post'] as const)(
    '%s: finds, registers, asks, is let in, calls tools, and refreshes',
    async (method) => {
      const memory = clientMemory(method);
      const first = transportOf(app.url, memory);
      await expect(connected(first)).rejects.toThrow(UnauthorizedError);
      expect(memory.client?.client_id).toMatch(/^mcp_client_/);
      const back = await agree(openBrowser(app.url, person.accessToken), String(memory.wanted));
      expect(Object.fromEntries(back.searchParams)).toMatchObject({ state: 'state-of-the-client', iss: app.url });
      await first.finishAuth(back.searchParams.get('code') ?? '');
      expect(memory.kept).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'mcp', refresh_token: expect.any(String) });
      const client = await connected(transportOf(app.url, memory));
      const me = await client.callTool({ name: 'me', arguments: {} });
      expect(me.structuredContent).toMatchObject({ email: person.email, name: 'Ada' });
      const before = memory.kept?.access_token;
      await app.db.run({
        name: 'expire',
        text: `update oauth_tokens set expires_at = engine_now() - interval '1 second' where kind = 'AccessToken'`,
      });
      expect((await client.callTool({ name: 'me', arguments: {} })).structuredContent).toMatchObject({ email: person.email });
      expect(memory.kept?.access_token).not.toBe(before);
      await client.close();
    },
  );
});
