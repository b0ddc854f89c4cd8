import { describe, expect, it } from 'vitest';
import { runTool } from '../testing.ts';
import { session } from './session.ts';

const context = { session_id: 's', org_id: 'o' };

describe('session', () => {
  it('tells what the control plane knows of it', async () => {
    const info = { id: 'session_1', title: null, usage: { input_tokens: 1, output_tokens: 2 } };
    expect(await runTool(session, 'get_session_info', {}, { session: () => Promise.resolve({ value: info }) })).toEqual(info);
  });

  it('names it', async () => {
    const asked: unknown[] = [];
    const answer = (op: string, args: unknown) => (asked.push([op, args]), Promise.resolve({ value: { title: 'A', changed: true } }));
    expect(await runTool(session, 'write_session_title', { title: 'A' }, { session: answer })).toEqual({ title: 'A', changed: true });
    expect(asked).toEqual([['session.set_title', { title: 'A' }]]);
  });

  it('asks for a title only when it is told to', async () => {
    expect((await session.resolve({}, context)).prompt).toBeUndefined();
    const { prompt } = await session.resolve({ auto_title: true }, context);
    expect(prompt).toContain('three to seven words');
    expect(Buffer.byteLength(prompt ?? '')).toBeLessThan(300);
  });
});
