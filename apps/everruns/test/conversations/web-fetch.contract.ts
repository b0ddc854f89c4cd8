import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { withSetting, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** web_fetch through whole turns: model, worker, tool thread, the guarded way out and a real site. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
const seen: { method: string | undefined; key: string | undefined }[] = [];
const site = createServer((request, response) => {
  seen.push({ method: request.method, key: request.headers['idempotency-key'] as string | undefined });
  if (request.url === '/inside') return void response.writeHead(302, { location: 'http://10.0.0.1/' }).end();
  response
    .writeHead(200, { 'content-type': 'text/html' })
    .end('<html><body><main><h1>Harbour</h1><p>Tides at noon.</p></main></body></html>');
});
let composition: Composition;
let url = '';

beforeAll(async () => {
  composition = await compose();
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await composition.close();
  site.closeAllConnections();
  await new Promise((resolve) => site.close(resolve));
});

/** What the calls of one turn ended with, in the model's order. */
async function resultsOf(setting: Setting, session: object, calls: object[]): Promise<{ success: unknown; text: string }[]> {
  const chat = await setting.converse({ capabilities: [{ ref: 'web_fetch' }], ...session });
  setting.simulator.script({ toolCalls: calls.map((args) => ({ name: 'web_fetch', arguments: { ...args } })) }, { text: 'Read.' });
  const events = await chat.say('Read it.');
  const order = events.find(({ type }) => type === 'act.started')?.data['tool_calls'] as { id: string }[];
  const ended = events.filter(({ type }) => type === 'tool.completed').map(({ data }) => data);
  return order.map(({ id }) => {
    const data = ended.find(({ tool_call_id }) => tool_call_id === id);
    return { success: data?.['success'], text: JSON.stringify(data?.['result'] ?? data?.['error']) };
  });
}

describe('web_fetch in a turn', () => {
  it('reads a site, posts with the key of its call, and is refused what is private', () =>
    withSetting(composition, WIRE, async (setting) => {
      seen.length = 0;
      const calls = [
        { url, as_markdown: true },
        { url, method: 'POST', json: {} },
        { url: `${url}/inside` },
        { url: 'http://169.254.169.254/' },
        { url, json: 1 },
      ];
      const results = await resultsOf(setting, {}, calls);
      expect(results.map(({ success }) => success)).toEqual([true, true, false, false, false]);
      expect(results[0]?.text).toContain('# Harbour');
      expect(results[2]?.text).toContain('not in the public network');
      expect(results[3]?.text).toContain('not in the public network');
      expect(results[4]?.text).toContain('A GET request has no json');
      expect(seen.find(({ method }) => method === 'POST')?.key).toMatch(/^session_/);
    }));

  it('keeps what it fetched in a file of the session, where that is enabled', () =>
    withSetting(composition, WIRE, async (setting) => {
      const capabilities = [{ ref: 'web_fetch', config: { enable_file_download: true } }, { ref: 'session_file_system' }];
      const chat = await setting.converse({ capabilities });
      setting.simulator.script(
        { toolCalls: [{ name: 'web_fetch', arguments: { url, save_to_file: 'pages/harbour.html' } }] },
        { toolCalls: [{ name: 'read_file', arguments: { path: '/workspace/pages/harbour.html' } }] },
        { text: 'Kept.' },
      );
      const events = await chat.say('Keep it.');
      const [saved, read] = events.filter(({ type }) => type === 'tool.completed').map(({ data }) => JSON.stringify(data));
      expect(saved).toContain('/workspace/pages/harbour.html');
      expect(saved).not.toContain('Tides');
      expect(read).toContain('Tides at noon.');
      await chat.close();
    }));

  it('keeps to the network access of the session, which its tiers can only narrow', () =>
    withSetting(composition, WIRE, async (setting) => {
      const blocked = await resultsOf(setting, { network_access: { blocked: ['127.0.0.1'] } }, [{ url }]);
      expect(blocked[0]).toMatchObject({ success: false, text: expect.stringContaining('network access list') as unknown });
      const allowed = await resultsOf(setting, { network_access: { allowed: ['127.0.0.1'] } }, [{ url }, { url: 'https://example.com/' }]);
      expect(allowed.map(({ success }) => success)).toEqual([true, false]);
    }));
});
