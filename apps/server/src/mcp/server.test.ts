import { PlatformError } from '@everruns/contract';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createMcpServer } from './server.ts';
import { ToolError } from './tool-errors.ts';
import { defineTool } from './tool.ts';
import type { Tool, ToolContext } from './tool.ts';

const hidden: string[] = [];

function tool(name: string, changes: 'nothing' | 'adds', run: (signal: AbortSignal) => Promise<{ done: boolean }>): Tool {
  return defineTool({
    name,
    title: name,
    description: name,
    changes,
    timeoutMs: 30,
    isScoped: true,
    input: z.object({ n: z.int().optional() }),
    output: z.object({ done: z.boolean() }),
    run: (context) => run((context as unknown as { signal: AbortSignal }).signal),
  });
}

/** Until the signal says that nobody waits any more. */
const untilStopped = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

async function connected(tools: Tool[]): Promise<Client> {
  const server = createMcpServer({
    version: '1',
    tools,
    contextOf: ({ organizationId, signal }) => Promise.resolve({ organizationId, signal } as unknown as ToolContext),
    onHidden: (error) => void hidden.push(error.message),
  });
  const [there, here] = InMemoryTransport.createLinkedPair();
  await server.connect(there);
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(here);
  await client.listTools();
  return client;
}

async function failureOf(tools: Tool[], name: string, input: Record<string, unknown> = {}): Promise<unknown> {
  const client = await connected(tools);
  const { isError, structuredContent, content } = await client.callTool({ name, arguments: input });
  expect(isError).toBe(true);
  expect(JSON.parse((content as { text: string }[])[0]?.text ?? '')).toEqual(structuredContent);
  return structuredContent;
}

test('a tool that takes too long is stopped; one that may have changed something is not to be repeated blindly', async () => {
  const tools = [tool('reads', 'nothing', untilStopped), tool('writes', 'adds', untilStopped)];
  expect(await failureOf(tools, 'reads')).toMatchObject({ code: 'timed_out', category: 'timeout', retryable: true });
  expect(await failureOf(tools, 'writes')).toMatchObject({
    code: 'timed_out',
    retryable: false,
    hint: expect.stringContaining('look before'),
  });
});

test('what is not meant for callers is hidden from them and told to the log', async () => {
  const secret = new Error('password=hunter2');
  expect(await failureOf([tool('breaks', 'nothing', () => Promise.reject(secret))], 'breaks')).toMatchObject({
    code: 'internal',
    category: 'internal',
  });
  expect(JSON.stringify(await failureOf([tool('breaks', 'nothing', () => Promise.reject(secret))], 'breaks'))).not.toContain('hunter2');
  expect(hidden).toContain('password=hunter2');
});

test('when to come back is told', async () => {
  const limited = new PlatformError('rate_limited', 'Too many.', { retryAfterSeconds: 7 });
  expect(await failureOf([tool('limited', 'nothing', () => Promise.reject(limited))], 'limited')).toEqual({
    code: 'rate_limited',
    category: 'rate_limit',
    retryable: true,
    message: 'Too many.',
    retry_after_seconds: 7,
  });
});

test('every wrong argument is named at once, and an unknown tool is no tool', async () => {
  const fine = tool('fine', 'nothing', () => Promise.resolve({ done: true }));
  const failure = (await failureOf([fine], 'fine', { n: 'x', organization_id: 'y' })) as { message: string };
  expect(failure.message).toMatch(/n: .*organization_id: Expected org_/);
  const client = await connected([fine]);
  expect((await client.callTool({ name: 'fine', arguments: {} })).structuredContent).toEqual({ done: true });
  await expect(client.callTool({ name: 'nope', arguments: {} })).rejects.toThrow(/no tool/);
});

test('an error of a tool is what its author said', async () => {
  const failure = { code: 'x', category: 'conflict', retryable: false, message: 'm' } as const;
  expect(await failureOf([tool('refuses', 'adds', () => Promise.reject(new ToolError(failure)))], 'refuses')).toEqual(failure);
});
