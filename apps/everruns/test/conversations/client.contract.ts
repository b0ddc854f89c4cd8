import { clientTool, createClient } from '@everruns/client';
import type { Client, ClientOptions, SessionEvent } from '@everruns/client';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { compose } from './composition.ts';
import type { Composition } from './composition.ts';

let composition: Composition;
let client: Client;
let modelId: string;

beforeAll(async () => {
  composition = await compose({ workers: 2, serverEnv: { SSE_REALTIME_CYCLE_SECS: '1' } });
  client = clientOf();
  const provider = await client.api.post('/v1/providers', { body: { name: 'scripted', provider_type: 'llmsim' } });
  const model = await client.api.post('/v1/providers/{id}/models', {
    params: { path: { id: provider.id } },
    body: { model_id: 'llmsim-script', display_name: 'Scripted' },
  });
  modelId = model.id;
});
afterAll(() => composition.close());

function clientOf(options: Partial<ClientOptions> = {}): Client {
  return createClient({ baseUrl: composition.api.url, retry: { minDelayMs: 20, maxDelayMs: 100 }, ...options });
}

const script = (...turns: object[]): string => `Please.\n\`\`\`llmsim\n${JSON.stringify({ turns })}\n\`\`\``;
const use = (name: string, args: object): object => ({ tool_calls: [{ name, arguments: args }] });

async function newSession(rest: object = {}): Promise<string> {
  return (await client.api.post('/v1/sessions', { body: { model_id: modelId, ...rest } })).id;
}

const stock = (run: (item: string) => unknown) =>
  clientTool({
    name: 'get_stock',
    description: 'How many there are',
    parameters: z.object({ item: z.string() }),
    run: ({ item }) => run(item),
  });

describe('a turn', () => {
  it('streams its text, and its result is what the agent said last', async () => {
    const updates: string[] = [];
    const text = 'One two three four five.';
    const sessionId = await newSession();
    const turn = await client.runTurn(sessionId, script({ text, chunk_delay_ms: 60 }), { onText: (update) => updates.push(update.text) });
    expect(turn).toMatchObject({ status: 'completed', text });
    expect(updates.at(-1)).toBe(text);
    expect(updates.every((each) => text.startsWith(each))).toBe(true);
    expect(updates.length).toBeGreaterThan(1);
  });

  it('calls tools of the program with checked arguments, and tells the model what went wrong', async () => {
    const asked: string[] = [];
    const tool = stock((item) => {
      asked.push(item);
      if (item === 'pear') throw new Error('There are no pears.');
      return { stock: 12 };
    });
    const sessionId = await newSession({ tools: [tool.definition] });
    const events: SessionEvent[] = [];
    const calls = ['apple', 'pear', 7].map((item) => use('get_stock', { item }));
    const turn = await client.runTurn(sessionId, script(...calls, { text: 'Done.' }), {
      tools: [tool],
      onEvent: (event) => events.push(event),
    });
    expect(turn.text).toBe('Done.');
    expect(asked).toEqual(['apple', 'pear']);
    const ends = events.flatMap((event) => (event.type === 'tool.completed' ? [event.data] : []));
    expect(ends.map(({ success, error }) => [success, error])).toEqual([
      [true, undefined],
      [false, 'There are no pears.'],
      [false, expect.stringContaining('item: ')],
    ]);
  });

  it('asks whether a call may be made', async () => {
    const sessionId = await newSession({
      capabilities: [{ ref: 'session_storage' }, { ref: 'tool_approval', config: { mode: 'all' } }],
    });
    const asked: string[] = [];
    const turn = await client.runTurn(
      sessionId,
      script(use('kv_store', { operation: 'set', key: 'a', value: '1' }), { text: 'It is set.' }),
      {
        approve: ({ name }) => {
          asked.push(name);
          return 'allow';
        },
      },
    );
    expect([turn.text, asked]).toEqual(['It is set.', ['kv_store']]);
  });

  it('is taken up again by a program that was away, and no tool that has answered is run again', async () => {
    const sessionId = await newSession({ tools: [stock(() => 0).definition] });
    const abort = new AbortController();
    const runs: string[] = [];
    const first = stock((item) => {
      runs.push(`first ${item}`);
      return { stock: 1 };
    });
    const dying = client.runTurn(sessionId, script(use('get_stock', { item: 'a' }), use('get_stock', { item: 'b' }), { text: 'All.' }), {
      tools: [first],
      signal: abort.signal,
      onEvent: ({ type }) => {
        if (type === 'tool.completed') abort.abort(new Error('killed'));
      },
    });
    await expect(dying).rejects.toThrow('killed');
    const second = stock((item) => {
      runs.push(`second ${item}`);
      return { stock: 2 };
    });
    expect(await client.resumeTurn(sessionId, { tools: [second] })).toMatchObject({ status: 'completed', text: 'All.' });
    expect(runs).toEqual(['first a', 'second b']);
  });

  it('ends as cancelled when somebody cancels it', async () => {
    const sessionId = await newSession({ tools: [stock(() => 0).definition] });
    const turn = client.runTurn(sessionId, script(use('get_stock', { item: 'a' }), { text: 'Never.' }), {
      onEvent: ({ type }) => {
        if (type === 'tool.call_requested') void client.cancel(sessionId);
      },
    });
    expect(await turn).toMatchObject({ status: 'cancelled' });
  });
});

describe('the network', () => {
  it('may lose the answer to a message: it is stored once', async () => {
    let lost = 0;
    const flaky = clientOf({
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if ((input as Request).method === 'POST' && lost++ < 2) throw new TypeError('fetch failed');
        return answer;
      },
    });
    const sessionId = await newSession();
    expect(await flaky.runTurn(sessionId, script({ text: 'Once.' }))).toMatchObject({ text: 'Once.' });
    expect(lost).toBe(3);
    const { data } = await client.api.get('/v1/sessions/{id}/messages', { params: { path: { id: sessionId } } });
    expect(data.filter(({ role }) => role === 'user')).toHaveLength(1);
  });

  it('may cut streams anywhere: every event comes once, in order', async () => {
    const sessionId = await newSession();
    let streams = 0;
    const cut = clientOf({
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if (answer.body === null || !answer.headers.get('content-type')?.startsWith('text/event-stream')) return answer;
        return new Response(answer.body.pipeThrough(cutAfter(3_000 + 4_000 * streams++)), answer);
      },
    });
    const seen: number[] = [];
    const reading = (async () => {
      for await (const event of cut.events(sessionId, { after: 'start' })) {
        if (event.sequence !== undefined) seen.push(event.sequence);
        if (event.type === 'turn.completed' && seen.length > 30) return;
      }
    })();
    for (const text of ['First.', 'Second.', 'Third.', 'Fourth.']) await client.runTurn(sessionId, script({ text }));
    await reading;
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    expect(streams).toBeGreaterThan(3);
  });
});

it('the pieces of the README are one program that does what the README says', async () => {
  const readme = new URL('../../../../packages/client/README.md', import.meta.url);
  const pieces = (await readFile(readme, 'utf8')).matchAll(/^```js\n(.*?)^```$/gms);
  // Beside this file, so that it finds the packages.
  const program = new URL(`./client-readme-${process.pid}.mjs`, import.meta.url);
  await writeFile(program, [...pieces].map(([, code]) => code).join('\n'));
  try {
    const env = { ...process.env, EVERRUNS_URL: composition.api.url };
    const { stdout } = await promisify(execFile)(process.execPath, [program.pathname], { env, timeout: 25_000 });
    expect(stdout.split('\n')).toEqual(['completed true', 'completed', 'true agent', "[ 'guide-dog' ]", 'true not_found', '']);
  } finally {
    await rm(program);
  }
});

/** Breaks the connection after so many bytes. */
function cutAfter(limitBytes: number): TransformStream<Uint8Array, Uint8Array> {
  let room = limitBytes;
  return new TransformStream({
    transform(chunk, controller) {
      if (chunk.length <= room) controller.enqueue(chunk);
      else controller.error(new Error('cut'));
      room -= chunk.length;
    },
  });
}
