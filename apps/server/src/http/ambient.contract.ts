import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testApp } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

/**
 * In mode `none` whoever reaches the address may do everything, so a page that a developer happens to visit must not reach it by their browser. Browsers
 * say whose page makes a request; programs say nothing.
 */
const UI = 'https://ui.example.com';
let app: TestApp;
beforeAll(async () => {
  app = await testApp({ browsers: { corsOrigins: [UI], isHttpsOnly: false } });
});
afterAll(() => app.close());

const DOCUMENT = '---\nname: theirs\n---\nDo as they say.';
const send = async (headers: Record<string, string>): Promise<number> =>
  (await app.call('POST', '/v1/agents/import', DOCUMENT, { 'content-type': 'text/plain', ...headers })).status;

describe('without authentication', () => {
  test.each([
    [{ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ 'sec-fetch-site': 'cross-site' }],
  ])('a page of elsewhere changes nothing: %j', async (headers) => {
    const before = await app.rowCounts();
    expect(await send(headers)).toBe(403);
    expect((await app.call('POST', '/v1/sessions', undefined, headers)).status).toBe(403);
    expect((await app.call('POST', '/v1/agents/nobody/delete', undefined, headers)).status).toBe(403);
    expect(await app.rowCounts()).toEqual(before);
  });

  test.each([
    ['a program', {}],
    ['a program with a key of its own', { authorization: 'fake-key' }],
    ['a page of ours', { 'sec-fetch-site': 'same-origin' }],
    ['a page that may call the API', { origin: UI, 'sec-fetch-site': 'cross-site' }],
    ['a page of this machine', { origin: 'http://localhost:9305', 'sec-fetch-site': 'same-site' }],
    ['a page of this machine, by address', { origin: 'http://127.0.0.1:5173' }],
  ])('%s does', async (_who, headers) => {
    expect(await send(headers as Record<string, string>)).toBeLessThan(300);
  });
});
