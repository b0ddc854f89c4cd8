import { describe, expect, it } from 'vitest';
import { createCapabilityRegistry, toolError, toolSuccess, type Capability, type Tool } from '../capability.ts';
import { executeTool, INTERNAL_ERROR, type ToolRequest } from './execute-tool.ts';
import { sessionAccess } from '../session-access.ts';

function withTool(execute: Tool['execute']): Capability {
  return {
    info: { id: 'x', name: 'X', description: 'X', status: 'available', risk_level: 'low', tools: [], features: [], dependencies: [] },
    resolve: (config) => ({
      tools: [
        {
          definition: {
            name: 'do',
            description: 'Does',
            parameters: { type: 'object', required: ['n'], properties: { n: { type: 'number' } } },
          },
          execute: (args, ctx) => (config.fixed === undefined ? execute(args, ctx) : toolSuccess(config.fixed)),
        },
      ],
    }),
  };
}

const context = { session_id: 's', org_id: 'o', turn_id: 't', tool_call_id: 'c', idempotency_key: 'k', attempt: 1 };
const session = sessionAccess(() => Promise.resolve({ problem: { code: 'resource_limit_reached', message: 'Too many pairs.' } }));
const outbound = { fetch: () => Promise.reject(new Error('no network here')) };
const hooks = { signal: new AbortController().signal, now: () => new Date(0), progress: () => undefined, session, outbound };

function run(execute: Tool['execute'], request: Partial<ToolRequest> = {}) {
  const registry = createCapabilityRegistry([withTool(execute)]);
  return executeTool(registry, { capability: { ref: 'x' }, tool: 'do', arguments: { n: 1 }, context, ...request }, hooks);
}

describe('executeTool', () => {
  it('gives the result as JSON, and the context to the tool', async () => {
    expect(await run((args, ctx) => toolSuccess({ args, key: ctx.idempotency_key }))).toEqual({
      status: 'success',
      json: '{"args":{"n":1},"key":"k"}',
    });
  });

  it('ends with what the platform refuses, in its words', async () => {
    const execution = await run(async (_, ctx) => toolSuccess(await ctx.session.call('kv.set', { key: 'a', value: 'b' })));
    expect(execution).toEqual({ status: 'error', error: 'Too many pairs.' });
  });

  it('resolves the capability with its configuration', async () => {
    expect(await run(() => toolSuccess(0), { capability: { ref: 'x', config: { fixed: 7 } } })).toEqual({ status: 'success', json: '7' });
  });

  it('tells the model what the tool says went wrong', async () => {
    expect(await run(() => toolError('no such city'))).toEqual({ status: 'error', error: 'no such city' });
  });

  it.each<[string, Tool['execute'], RegExp]>([
    [
      'throws',
      () => {
        throw new TypeError('secret path /etc');
      },
      /secret path/,
    ],
    ['rejects', () => Promise.reject(new Error('secret')), /secret/],
    ['reports a fault of its own', () => ({ kind: 'internal', cause: 'secret' }), /secret/],
    ['returns what JSON cannot hold', () => toolSuccess(1n as unknown as number), /BigInt/],
  ])('keeps the detail for operators when a tool %s', async (_, execute, detail) => {
    const execution = await run(execute);
    expect(execution).toMatchObject({ status: 'error', error: INTERNAL_ERROR });
    expect(execution).toHaveProperty('fault', expect.stringMatching(detail));
  });

  it('does not run a tool with arguments that its schema refuses', async () => {
    let ran = false;
    const execution = await run(() => ((ran = true), toolSuccess(0)), { arguments: { n: 'one' } });
    expect(execution).toEqual({ status: 'error', error: 'The arguments of do are not valid: "n" must be number, received "one".' });
    expect(ran).toBe(false);
  });

  it('answers for tools and capabilities that are not there', async () => {
    expect(await run(() => toolSuccess(0), { tool: 'undo' })).toEqual({ status: 'error', error: 'There is no tool named "undo".' });
    expect(await run(() => toolSuccess(0), { capability: { ref: 'y' } })).toEqual({
      status: 'error',
      error: 'The capability "y" of this tool is not available.',
    });
  });

  it('limits results and errors to 64 KiB', async () => {
    const big = await run(() => toolSuccess('x'.repeat(1_000_000)));
    expect(big.status === 'success' && Buffer.byteLength(big.json)).toBeLessThanOrEqual(64 * 1024);
    const loud = await run(() => toolError('x'.repeat(1_000_000)));
    expect(loud.status === 'error' && loud.error.length).toBeLessThanOrEqual(64 * 1024);
  });

  it('passes images on, as many as the log bears', async () => {
    const image = { media_type: 'image/png', base64: 'AAAA' };
    const large = { media_type: 'image/png', base64: 'A'.repeat(3_000_000) };
    expect(await run(() => toolSuccess(1, [image]))).toEqual({ status: 'success', json: '1', images: [image] });
    expect(
      await run(() =>
        toolSuccess(
          1,
          Array.from({ length: 9 }, () => image),
        ),
      ),
    ).toMatchObject({ images: [image, image, image, image] });
    expect(await run(() => toolSuccess(1, [large]))).toEqual({ status: 'success', json: '1' });
  });
});
