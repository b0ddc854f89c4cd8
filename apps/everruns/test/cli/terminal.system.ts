import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTerminal } from '@everruns/testing/terminal';
import type { TestTerminal } from '@everruns/testing/terminal';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compose } from '../conversations/composition.ts';
import type { Composition } from '../conversations/composition.ts';

/** The command itself, as installed, in a real terminal. */
const EVERRUNS = new URL('../../../cli/bin/everruns.mjs', import.meta.url).pathname;

let composition: Composition;
let home: string;
let terminal: TestTerminal;

beforeAll(async () => {
  composition = await compose();
  home = await mkdtemp(join(tmpdir(), 'everruns-terminal-home-'));
  const provider = await composition.api.call('POST', '/v1/providers', { name: 'scripted', provider_type: 'llmsim' });
  const spec = { model_id: 'llmsim-script', display_name: 'Scripted' };
  const model = (await composition.api.call('POST', `/v1/providers/${provider.body['id'] as string}/models`, spec)).body['id'] as string;
  const harness = {
    name: 'scripted',
    default_model_id: model,
    capabilities: [{ ref: 'session_storage' }, { ref: 'tool_approval', config: { mode: 'all' } }],
  };
  await composition.api.call('POST', '/v1/harnesses', harness);
  terminal = await startTerminal({
    command: [process.execPath, EVERRUNS, 'chat', '-H', 'scripted'],
    env: { HOME: home, EVERRUNS_API_URL: composition.api.url },
  });
});
afterAll(async () => {
  await terminal.close();
  await composition.close();
  await rm(home, { recursive: true });
});

const script = (...turns: object[]): string[] => ['```llmsim', JSON.stringify({ turns }), '```'];

/** Lines of one message. */
async function say(lines: readonly string[]): Promise<void> {
  await terminal.until(/>$/);
  for (const [index, line] of lines.entries()) {
    await terminal.type(index < lines.length - 1 ? `${line}\\` : line);
    await terminal.press('Enter');
    if (index < lines.length - 1) await terminal.until(/…$/);
  }
}

test('a person talks, approves, cancels and leaves', async () => {
  await say(script({ text: 'Good morning.' }));
  await terminal.until(/^Good morning\.$/m);

  await say(script({ tool_calls: [{ name: 'kv_store', arguments: { operation: 'set', key: 'a', value: '1' } }] }, { text: 'It is set.' }));
  await terminal.until(/\[y\]es, \[a\]lways, \[N\]o: ?$/);
  await terminal.type('y');
  await terminal.press('Enter');
  await terminal.until(/^It is set\.$/m);

  await say(script({ text: Array.from({ length: 300 }, (_, n) => `w${n}`).join(' '), chunk_delay_ms: 50 }));
  await terminal.until(/w5 w6/);
  await terminal.press('C-c');
  await terminal.until(/The turn was cancelled/);

  await say(script({ text: 'Still here.' }));
  await terminal.until(/^Still here\.$/m);
  await terminal.press('C-d');
  expect(await terminal.until(/\[ended \d+\]/)).toMatch(/\[ended 0\]/);
});
