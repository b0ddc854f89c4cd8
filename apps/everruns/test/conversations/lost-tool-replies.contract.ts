import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './api-client.ts';
import { compose, type Composition } from './composition.ts';
import { payload, type Conversation, type Match } from './conversation.ts';
import { settingOf, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';
import { NextCall } from './worker-death.ts';

/** What a tool does for its session takes effect once and gives its first answer, although the reply to the first asking is lost. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
const REFS = ['session_file_system', 'session_storage', 'session_schedule', 'soft_approval', 'subagents'].map((ref) => ({ ref }));
const initial_files = [{ path: '/a.txt', content: 'one\n' }];

let nextCall: NextCall;
let composition: Composition;
let setting: Setting;
beforeAll(async () => {
  nextCall = new NextCall();
  composition = await compose({ worker: { hooks: nextCall.hooks } });
  setting = await settingOf(composition, WIRE);
});
afterAll(async () => {
  await setting.close();
  await composition.close();
});

/** Does the call, then what `meanwhile` does, then what the call asked for under `op` once more; gives what the model is told. */
async function askTwice(chat: Conversation, op: string, call: Match, meanwhile: () => Promise<unknown> = async () => null): Promise<Match> {
  nextCall.of(op, async (_request, pass) => {
    await pass();
    await meanwhile();
    return pass();
  });
  setting.simulator.script({ toolCalls: [call as never] }, { text: 'Done.' });
  return toldBy(payload(await chat.say('Go.'), 'tool.completed'));
}

async function callOnce(chat: Conversation, call: Match): Promise<Match> {
  setting.simulator.script({ toolCalls: [call as never] }, { text: 'Done.' });
  return toldBy(payload(await chat.say('Go.'), 'tool.completed'));
}

function toldBy({ success, result, error }: Match): Match {
  if (success !== true) return { error };
  return ((result as Match[])[0]?.['result'] ?? {}) as Match;
}

async function withChat(work: (chat: Conversation) => Promise<void>): Promise<void> {
  const chat = await setting.converse({ capabilities: REFS, tools: [], initial_files });
  await work(chat);
  await chat.close();
}

const contentOf = async (chat: Conversation, path: string): Promise<unknown> =>
  (await composition.api.call('GET', `/v1/sessions/${chat.id}/fs/${path}`)).body['content'];

describe('a file', () => {
  it('that was made is not made over what somebody has put there since', () =>
    withChat(async (chat) => {
      const newer = (): Promise<unknown> => composition.api.expect('PUT', `/v1/sessions/${chat.id}/fs/b.txt`, { content: 'newer' });
      const told = await askTwice(chat, 'files.write', { name: 'write_file', arguments: { path: 'b.txt', content: 'older' } }, newer);
      expect(told).toMatchObject({ path: '/workspace/b.txt', created: true, size_bytes: 5 });
      expect(await contentOf(chat, 'b.txt')).toBe('newer');
    }));

  it('that was edited is not said to have changed meanwhile', () =>
    withChat(async (chat) => {
      const newer = (): Promise<unknown> => composition.api.expect('PUT', `/v1/sessions/${chat.id}/fs/a.txt`, { content: 'newer' });
      const edit = { path: 'a.txt', expected_hash: 'x', edits: [{ old_text: 'one', new_text: 'two' }] };
      const told = await askTwice(chat, 'files.write', { name: 'edit_file', arguments: edit }, newer);
      expect(told).toMatchObject({ path: '/workspace/a.txt', applied_edits: 1, size_bytes: 4 });
      expect(await contentOf(chat, 'a.txt')).toBe('newer');
    }));

  it('that was deleted is counted as it was', () =>
    withChat(async (chat) => {
      const told = await askTwice(chat, 'files.delete', { name: 'delete_file', arguments: { path: 'a.txt' } });
      expect(told).toMatchObject({ deleted: true, path: '/workspace/a.txt' });
    }));
});

describe('of what a session keeps', () => {
  it.each([
    ['kv_store', 'kv', 'key'],
    ['secret_store', 'secrets', 'name'],
  ])('%s says what it made and what it deleted', (name, ops, field) =>
    withChat(async (chat) => {
      const store = (operation: string, value?: string): Match => ({
        name,
        arguments: { operation, [field]: 'colour', ...(value === undefined ? {} : { value }) },
      });
      expect(await askTwice(chat, `${ops}.set`, store('set', 'blue'))).toEqual({ [field]: 'colour', created: true });
      expect(await callOnce(chat, store('set', 'red'))).toEqual({ [field]: 'colour', created: false });
      expect(await askTwice(chat, `${ops}.delete`, store('delete'))).toEqual({ [field]: 'colour', deleted: true });
      expect(await callOnce(chat, store('delete'))).toEqual({ [field]: 'colour', deleted: false });
    }),
  );

  it('a secret that was set is not set over what somebody has put there since', () =>
    withChat(async (chat) => {
      const newer = (): Promise<unknown> =>
        composition.api.expect('PUT', `/v1/sessions/${chat.id}/storage/secrets`, { secrets: { token: 'newer' } });
      const set = { name: 'secret_store', arguments: { operation: 'set', name: 'token', value: 'older' } };
      expect(await askTwice(chat, 'secrets.set', set, newer)).toEqual({ name: 'token', created: true });
      const get = { name: 'secret_store', arguments: { operation: 'get', name: 'token' } };
      expect(await callOnce(chat, get)).toEqual({ name: 'token', value: 'newer' });
    }));
});

describe('a schedule', () => {
  it('that was made is found again after its time has come', () =>
    withChat(async (chat) => {
      const atMs = Date.now() + 600;
      const create = { name: 'create_schedule', arguments: { message: 'Now', scheduled_at: new Date(atMs).toISOString() } };
      const untilItsTime = async (): Promise<void> => {
        const path = `/v1/sessions/${chat.id}/schedules`;
        const [made] = (await composition.api.call('GET', path)).body as unknown as Match[];
        await composition.api.expect('PATCH', `${path}/${made?.['id'] as string}`, { enabled: false });
        await eventually(() => Date.now() > atMs, 'its time');
      };
      expect(await askTwice(chat, 'schedules.create', create, untilItsTime)).toMatchObject({ message: 'Now', enabled: false });
    }));

  it('that was made, and that somebody has deleted since, is not made again', () =>
    withChat(async (chat) => {
      const path = `/v1/sessions/${chat.id}/schedules`;
      const create = { name: 'create_schedule', arguments: { message: 'Daily', cron_expression: '0 9 * * *' } };
      const withoutIt = async (): Promise<void> => {
        const [made] = (await composition.api.call('GET', path)).body as unknown as Match[];
        await composition.api.expect('DELETE', `${path}/${made?.['id'] as string}`);
      };
      expect(await askTwice(chat, 'schedules.create', create, withoutIt)).toMatchObject({ message: 'Daily', enabled: false });
      expect((await composition.api.call('GET', path)).body).toEqual([]);
    }));

  it('that was cancelled is said to be', () =>
    withChat(async (chat) => {
      const create = { name: 'create_schedule', arguments: { message: 'Daily', cron_expression: '0 9 * * *' } };
      const { id } = await callOnce(chat, create);
      const cancel = { name: 'cancel_schedule', arguments: { schedule_id: id } };
      expect(await askTwice(chat, 'schedules.cancel', cancel)).toEqual({ cancelled: true });
      expect(await callOnce(chat, cancel)).toEqual({ cancelled: false });
    }));
});

it('the approval mode that was set before is the one before the call', () =>
  withChat(async (chat) => {
    const set = (mode: string): Match => ({ name: 'set_approval_mode', arguments: { mode } });
    expect(await askTwice(chat, 'approvals.set_mode', set('normal'))).toEqual({ mode: 'normal', previous: null });
    expect(await askTwice(chat, 'approvals.set_mode', set('protective'))).toEqual({ mode: 'protective', previous: 'normal' });
  }));

it.each([
  ['tasks.report_result', { name: 'report_result', arguments: { result: { depth: 3 } } }],
  ['tasks.report_progress', { name: 'report_task_progress', arguments: { message: 'Half.', progress: { current: 1, total: 2 } } }],
])('what a subagent reports is told of once: %s', (op, call) =>
  withChat(async (chat) => {
    nextCall.of(op, async (_request, pass) => {
      await pass();
      return pass();
    });
    const schemas = op === 'tasks.report_result' ? { result_schema: { type: 'object' } } : { message_schema: { type: 'string' } };
    const spawn = { name: 'Digging', instructions: 'Dig.', mode: 'foreground', ...schemas };
    setting.simulator.script(
      { toolCalls: [{ name: 'spawn_agent', arguments: spawn }] },
      { toolCalls: [call] },
      { text: 'Dug.' },
      { text: 'Done.' },
    );
    await chat.say('Go.');
    expect(chat.payloads('task.updated').map(({ task }) => (task as Match)['state'])).toEqual(['running', 'succeeded']);
    expect(chat.payloads('task.message.received')).toHaveLength(op === 'tasks.report_progress' ? 1 : 0);
  }),
);
