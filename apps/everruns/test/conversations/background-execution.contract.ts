import type { JsonObject } from '@everruns/agent/capability';
import { fromPublicId } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './api-client.ts';
import { compose, type Composition } from './composition.ts';
import { payload, type Conversation, type Match } from './conversation.ts';
import { withSetting, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** Tool calls that go on beside the conversation, through whole turns. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
const WORK = { capabilities: [{ ref: 'test_background' }, { ref: 'session_tasks' }, { ref: 'session_schedule' }], tools: [] };
let composition: Composition;
beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());

const inTurn = (work: (setting: Setting) => Promise<void>) => () => withSetting(composition, WIRE, work);
const run = (tool: string, args: JsonObject, more: JsonObject = {}) => ({ name: 'spawn_background', arguments: { tool, args, ...more } });
const results = (chat: Conversation): Match[] => chat.payloads('tool.completed').map(resultOf);

function resultOf(data: Match): Match {
  const [part] = data['result'] as { result?: Match; error?: string }[];
  return part?.result ?? { error: part?.error };
}

it(
  'comes along with a tool that can go on in the background, and tells when that has ended',
  inTurn(async (setting) => {
    const chat = await setting.converse(WORK);
    setting.simulator.script(
      { toolCalls: [run('test_write', { path: '/out.txt', text: 'from afar' }, { title: 'Writing' })] },
      { text: 'Started.' },
      { text: 'It is there.' },
    );
    await chat.say('Write it.');
    const started = results(chat)[0] as Match;
    expect(started).toMatchObject({ state: 'running', display_name: 'Writing', kind: 'background_tool', tool: 'test_write' });
    const ended = await chat.until('task.updated', { where: ({ task }) => (task as Match)['state'] === 'succeeded' });
    expect(ended.data).toMatchObject({
      task: { id: started['run_id'], attempt: 1, summary: expect.stringContaining('written') as unknown },
    });
    const woken = await chat.until('input.message', { after: 2 });
    await chat.turnFrom(woken.sequence ?? 0);
    expect(JSON.stringify(woken.data)).toContain('succeeded');
    expect(chat.payloads('task.updated')).toHaveLength(1);
    const path = String(started['result_path']).replace('/workspace', '');
    expect(JSON.stringify(await composition.api.expect('GET', `/v1/sessions/${chat.id}/fs${path}`))).toContain('written');
    expect(await composition.api.expect('GET', `/v1/sessions/${chat.id}/fs/out.txt`)).toMatchObject({ content: 'from afar' });
    await chat.close();
  }),
);

it(
  'plans the call as if the model had made it, and refuses what cannot be',
  inTurn(async (setting) => {
    const chat = await setting.converse(WORK);
    setting.simulator.script({
      toolCalls: [
        run('list_tasks', {}),
        run('nothing_of_the_kind', {}),
        run('test_write', { path: 7 }),
        run('test_write', { path: '/a', text: 'b' }, { schedule: { scheduled_at: '2999-01-01T00:00:00Z' } }),
        run('test_write', { path: '/a', text: 'b' }, { schedule: {} }),
      ],
    });
    setting.simulator.script({ text: 'No.' });
    await chat.say('Try.');
    expect(chat.types).not.toContain('task.created');
    const said = JSON.stringify(results(chat));
    for (const text of [
      'list_tasks cannot run',
      'nothing_of_the_kind cannot run',
      'These can: test_write',
      'arguments of test_write are not valid',
      'either scheduled_at or cron',
    ]) {
      expect(said).toContain(text);
    }
    expect(results(chat)).toContainEqual({
      schedule: expect.objectContaining({ message: expect.stringContaining('spawn_background') as unknown }) as unknown,
    });
    await chat.close();
  }),
);

it(
  'says how a call failed, and stops one on request, silently where nobody wants to be told',
  inTurn(async (setting) => {
    const chat = await setting.converse(WORK);
    const quiet = { signal_on_completion: false };
    setting.simulator.script({
      toolCalls: [
        run('test_write', { path: '/../x', text: '' }, quiet),
        run('test_write', { path: '/x', text: '', wait_ms: 60_000 }, quiet),
      ],
    });
    setting.simulator.script({ text: 'Started both.' });
    await chat.say('Go.');
    const failed = await chat.until('task.updated', { where: ({ task }) => (task as Match)['state'] === 'failed' });
    expect(failed.data).toMatchObject({ task: { error: { kind: 'tool_error' } } });
    const [left] = await composition.api.expect<Match[]>('GET', `/v1/sessions/${chat.id}/tasks?state=running&kind=background_tool`);
    const path = `/v1/sessions/${chat.id}/tasks/${String(left?.['id'])}`;
    expect(await composition.api.call('POST', `${path}/messages`, { text: 'Hello?' })).toMatchObject({
      status: 409,
      body: { code: 'wrong_state' },
    });
    await composition.api.expect('POST', `${path}/cancel`);
    await chat.until('task.updated', { where: ({ task }) => (task as Match)['state'] === 'canceled' });
    expect(payload(chat.events, 'task.created')).toBeDefined();
    expect(chat.payloads('input.message')).toHaveLength(1);
    await chat.close();
  }),
);

it(
  'says that a call took too long when nobody has stopped it',
  inTurn(async (setting) => {
    const chat = await setting.converse(WORK);
    setting.simulator.answer(() => ({ text: 'Well.' }));
    setting.simulator.script({ toolCalls: [run('test_write', { path: '/x', text: '', wait_ms: 60_000 })] });
    await chat.say('Go.');
    const text = `update timers set due_at = engine_now() where kind = 'task_cancel' and session_id = $1`;
    await composition.db.run({ name: 'test_deadline', text }, [fromPublicId('session', chat.id)]);
    const ended = await chat.until('task.updated', { where: ({ task }) => (task as Match)['state'] !== 'running' });
    expect(ended.data).toMatchObject({ task: { state: 'failed', error: { kind: 'timeout' } } });
    await chat.leave();
  }),
);

it(
  'runs a script over the files of the session',
  inTurn(async (setting) => {
    const chat = await setting.converse({ capabilities: [{ ref: 'bashkit_shell' }], tools: [] });
    setting.simulator.answer(() => ({ text: 'Fine.' }));
    setting.simulator.script({ toolCalls: [run('bash', { commands: 'echo from the shell > /workspace/shell.txt' })] });
    await chat.say('Script it.');
    await chat.until('task.updated', { where: ({ task }) => (task as Match)['state'] === 'succeeded' });
    const { content } = await composition.api.expect<{ content: string }>('GET', `/v1/sessions/${chat.id}/fs/shell.txt`);
    expect(content.trim()).toBe('from the shell');
    expect(await chat.until('file.written')).toMatchObject({ context: {}, data: { path: '/shell.txt' } });
    await chat.leave();
  }),
);

describe('a monitor', () => {
  const every = { cron_expression: '0 * * * *', monitor: true };
  /** Its next time is over. */
  const due = (chat: Conversation): Promise<unknown> => {
    const text = `update session_schedules set next_at = engine_now() where session_id = $1 and next_at is not null`;
    return composition.db.run({ name: 'test_monitor_due', text }, [fromPublicId('session', chat.id)]);
  };
  const runs = (chat: Conversation): Promise<Match[]> =>
    composition.api.expect<Match[]>('GET', `/v1/sessions/${chat.id}/tasks?kind=monitor`);
  const ended = (chat: Conversation, count: number): Promise<void> =>
    eventually(async () => (await runs(chat)).filter(({ state }) => state !== 'running').length === count, `${count} runs`);

  it(
    'makes its call without a model, and tells of a result that is another one',
    inTurn(async (setting) => {
      const chat = await setting.converse({ capabilities: [{ ref: 'bashkit_shell' }], tools: [] });
      const probe = run('bash', { commands: 'cat /workspace/state.txt' }, { title: 'State', schedule: every });
      setting.simulator.answer(() => ({ text: 'Noted.' }));
      setting.simulator.script({ toolCalls: [probe] }, { text: 'I watch it.' });
      await composition.api.expect('POST', `/v1/sessions/${chat.id}/fs/state.txt`, { content: 'red' });
      await chat.say('Watch it.');
      const made = results(chat)[0] as { schedule: Match; monitor: Match };
      expect(made.monitor).toMatchObject({ tool: 'bash', max_runs: 100 });
      await due(chat);
      await eventually(() => chat.payloads('session.idled').length === 2, 'the turn that is told of the first result');
      const asked = setting.simulator.requests.length;
      await due(chat);
      await ended(chat, 2);
      expect(chat.payloads('input.message')).toHaveLength(2);
      expect(setting.simulator.requests).toHaveLength(asked);
      await composition.api.expect('PUT', `/v1/sessions/${chat.id}/fs/state.txt`, { content: 'green' });
      await due(chat);
      await eventually(() => chat.payloads('input.message').length === 3, 'the news');
      expect(JSON.stringify(chat.payloads('input.message')[2])).toContain('green');
      expect(await runs(chat)).toHaveLength(3);
      expect((await runs(chat))[0]).toMatchObject({ kind: 'monitor', display_name: 'State', spec: { schedule_id: made.schedule['id'] } });
      const path = String(made.monitor['result_path']).replace('/workspace', '');
      expect(JSON.stringify(await composition.api.expect('GET', `/v1/sessions/${chat.id}/fs${path}`))).toContain('green');
      await chat.leave();
    }),
  );
});
