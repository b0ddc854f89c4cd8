import { describe, expect, it } from 'vitest';
import { sessionAccess, type CallSession } from '../session-access.ts';
import { keptError, keptJson } from './keep-output.ts';
import { MAX_RESULT_BYTES } from './limit-result.ts';

function placeOf(answer: CallSession = () => Promise.resolve({ value: {} })) {
  const written: { op: string; args: unknown }[] = [];
  const session = sessionAccess((op, args) => {
    written.push({ op, args });
    return answer(op, args);
  });
  return { written, place: { session, tool_call_id: 'call/1', signal: new AbortController().signal } };
}

describe('a result', () => {
  it('that fits is passed on, and nothing is written', async () => {
    const { written, place } = placeOf();
    expect(await keptJson({ a: 1 }, place)).toBe('{"a":1}');
    expect(await keptError('no', place)).toBe('no');
    expect(written).toEqual([]);
  });

  it('that is too big is kept as lines of JSON, and its head names the file', async () => {
    const { written, place } = placeOf();
    const value = { list: Array.from({ length: 9_000 }, (_, n) => `item ${n}`) };
    const json = await keptJson(value, place);
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(MAX_RESULT_BYTES);
    expect(JSON.parse(json)).toMatch(
      /^\{"list":\["item 0".*All of it is in the file \/workspace\/outputs\/call_1\.json: read it in parts\.\]$/s,
    );
    const content = JSON.stringify(value, null, 2);
    expect(written).toEqual([{ op: 'files.write', args: { path: '/outputs/call_1.json', content, encoding: 'text' } }]);
  });

  it('that is a long text is kept as it is, an error too', async () => {
    const { written, place } = placeOf();
    const text = 'line\n'.repeat(20_000);
    expect(await keptJson(text, place)).toContain('/workspace/outputs/call_1.txt');
    expect(await keptError(text, place)).toContain('/workspace/outputs/call_1.txt');
    expect(written.map(({ args }) => (args as { content: string }).content)).toEqual([text, text]);
  });

  it('that is larger than a file can be is kept from its beginning', async () => {
    const { written, place } = placeOf();
    const json = await keptJson('ü'.repeat(6_000_000), place);
    expect(json).toContain('A longer part of it is in the file /workspace/outputs/call_1.txt');
    expect(written.map(({ args }) => (args as { content: string }).content)[0]).toBe('ü'.repeat(5 * 1024 * 1024));
  });

  it('is cut and still shown when its session has no room', async () => {
    const full: CallSession = () => Promise.resolve({ problem: { code: 'resource_limit_reached', message: 'full' } });
    const json = await keptJson('x'.repeat(100_000), placeOf(full).place);
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(MAX_RESULT_BYTES);
    expect(json).toContain('Ask for less');
  });

  it('is nobody’s concern when the step is over', async () => {
    const over = new AbortController();
    over.abort(new Error('cancelled'));
    const { place } = placeOf(() => Promise.reject(new Error('the lease is gone')));
    await expect(keptJson('x'.repeat(100_000), { ...place, signal: over.signal })).rejects.toThrow('cancelled');
  });
});
