import type { SessionEvent } from '@everruns/client';
import { describe, expect, it } from 'vitest';
import { NOTHING_YET } from './conversation-types.ts';
import type { Conversation, Item, ToolItem } from './conversation-types.ts';
import { applyEvents, withOlder } from './conversation.ts';

type Told = [type: string, data?: object, turn?: string | null];

/** Events in order: with a sequence, unless they are deltas. */
function log(told: readonly Told[], from = 1): SessionEvent[] {
  let sequence = from;
  return told.map(([type, data = {}, turn = 'turn_1'], index) => ({
    id: `event_${from + index}`,
    type,
    ts: new Date(1_000 * (from + index)).toISOString(),
    session_id: 'session_1',
    context: turn === null ? {} : { turn_id: turn },
    data,
    ...(!type.endsWith('.delta') && { sequence: sequence++ }),
  })) as unknown as SessionEvent[];
}

const user = (text: string, id = 'm_user'): Told => ['input.message', { message: { id, role: 'user', content: [{ type: 'text', text }] } }];
const began: Told = ['turn.started', { turn_id: 'turn_1', input_message_id: 'm_user' }];
const answering = (id = 'm_1'): Told => ['output.message.started', { turn_id: 'turn_1', message_id: id, iteration: 1 }];
const delta = (text: string, offset: number, more: object = {}): Told => [
  'output.message.delta',
  { turn_id: 'turn_1', message_id: 'm_1', delta: text, offset, ...more },
];
const answered = (text: string, calls: object[] = [], id = 'm_1'): Told => [
  'output.message.completed',
  {
    message: {
      id,
      role: 'agent',
      content: [...(text === '' ? [] : [{ type: 'text', text }]), ...calls.map((call) => ({ type: 'tool_call', ...call }))],
    },
  },
];
const call = { id: 'call_1', name: 'bash', arguments: { commands: 'ls' } };
const toolStarted = (attempt = 1): Told => ['tool.started', { tool_call: call, attempt, narration: 'Running ls' }];
const printed = (text: string, offset: number): Told => [
  'tool.output.delta',
  { tool_call_id: 'call_1', tool_name: 'bash', stream: 'stdout', delta: text, offset },
];
const toolDone: Told = ['tool.completed', { tool_call_id: 'call_1', tool_name: 'bash', success: true, status: 'success', duration_ms: 5 }];
const over: Told = ['turn.completed', { turn_id: 'turn_1', iterations: 1 }];

const items = (conversation: Conversation): Item[] => conversation.blocks.flatMap((block) => block.items);
const told = (told: readonly Told[]): Item[] => items(applyEvents(NOTHING_YET, log(told)));
const texts = (all: readonly Item[]): string[] => all.flatMap((item) => (item.kind === 'agent' ? [item.text] : []));
const first = <K extends Item['kind']>(all: readonly Item[], kind: K) =>
  all.find((item) => item.kind === kind) as Extract<Item, { kind: K }>;

const WHOLE: Told[] = [
  user('Hello'),
  began,
  ['reason.started', { iteration: 1, attempt: 1 }],
  ['reason.thinking.delta', { turn_id: 'turn_1', delta: 'Hm', offset: 0 }],
  ['reason.thinking.completed', { turn_id: 'turn_1', thinking: 'Hmm.' }],
  answering(),
  delta('I ', 0),
  delta('look.', 2),
  answered('I look.', [call]),
  toolStarted(),
  printed('a\n', 0),
  printed('b\n', 2),
  toolDone,
  answering('m_2'),
  answered('Two.', [], 'm_2'),
  over,
];

describe('a conversation out of events', () => {
  it('tells message, thought, text, call and end in their order', () => {
    expect(told(WHOLE).map(({ kind }) => kind)).toEqual(['user', 'thinking', 'agent', 'tool', 'agent', 'end']);
  });

  it('is the same in whatever portions the events come', () => {
    const events = log(WHOLE);
    const whole = applyEvents(NOTHING_YET, events);
    for (const size of [1, 2, 3, 5, 7]) {
      let conversation = NOTHING_YET;
      for (let at = 0; at < events.length; at += size) conversation = applyEvents(conversation, events.slice(at, at + size));
      expect(conversation).toEqual(whole);
    }
  });

  it('takes stored events once, however often they come', () => {
    const events = log(WHOLE);
    const whole = applyEvents(NOTHING_YET, events);
    expect(applyEvents(whole, events)).toEqual(whole);
  });

  it('leaves what an event does not touch the same object', () => {
    const before = applyEvents(NOTHING_YET, log(WHOLE.slice(0, 7)));
    const after = applyEvents(before, log([delta('look', 2)], 100));
    const changed = items(after).filter((item, index) => item !== items(before)[index]);
    expect(changed.map(({ kind }) => kind)).toEqual(['agent']);
  });
});

describe('a text while it is written', () => {
  const streaming = [user('Hello'), began, answering()];

  it('grows by its deltas, and what is told twice counts once', () => {
    expect(texts(told([...streaming, delta('Good ', 0), delta('Good ', 0), delta('day', 5)]))).toEqual(['Good day']);
  });

  it('waits with a hole, and is whole again with all of it so far', () => {
    expect(texts(told([...streaming, delta('Good', 0), delta('you', 9)]))).toEqual(['Good']);
    expect(texts(told([...streaming, delta('Good', 0), delta('you', 9, { accumulated: 'Good day you' })]))).toEqual(['Good day you']);
  });

  it('begins anew with another attempt, and nothing of the attempt before is added', () => {
    const again = [...streaming, delta('Old text', 0, { attempt: 1 }), delta('New', 0, { attempt: 2 }), delta('!', 8, { attempt: 1 })];
    expect(texts(told(again))).toEqual(['New']);
  });

  it('is discarded when the answer begins again under another id', () => {
    expect(texts(told([...streaming, delta('Old', 0), answering('m_9'), answered('New', [], 'm_9')]))).toEqual(['New']);
  });

  it('is discarded when its worker was lost, and the page says so', () => {
    const lost = told([...streaming, delta('Old', 0), ['reason.recovered', { turn_id: 'turn_1', mode: 'restart', accumulated_len: 3 }]]);
    expect(texts(lost)).toEqual([]);
    expect(first(lost, 'notice').text).toBe('The step began again');
  });

  it('gives way to what a guardrail puts in its place, and says that it did', () => {
    const replaced: Told = [
      'output.message.replaced',
      { turn_id: 'turn_1', message_id: 'm_1', replacement: 'No.', reason_code: 'pii', guardrail_id: 'g', guardrail_capability_id: 'c' },
    ];
    const before = told([...streaming, delta('Secret', 0), replaced, delta('!', 6)]);
    expect(first(before, 'agent')).toMatchObject({ text: 'No.', state: 'replaced', reason: 'pii' });
    const after = told([...streaming, delta('Secret', 0), replaced, answered('No.')]);
    expect(first(after, 'agent')).toMatchObject({ text: 'No.', state: 'replaced' });
  });

  it('stays as far as it came when the turn is cancelled', () => {
    const cut = told([...streaming, delta('Half', 0), ['turn.cancelled', { turn_id: 'turn_1' }]]);
    expect(first(cut, 'agent')).toMatchObject({ text: 'Half', state: 'interrupted' });
    expect(first(cut, 'end').status).toBe('cancelled');
  });

  it('is not added to when its deltas come late', () => {
    expect(texts(told([...streaming, answered('Whole'), delta('Wh', 0), over]))).toEqual(['Whole']);
  });
});

describe('a call', () => {
  const calling = [user('Hello'), began, answered('', [call])];
  const tool = (all: readonly Told[]): ToolItem => first(told(all), 'tool');

  it('shows what it prints as it prints it, told twice or not', () => {
    expect(
      tool([...calling, toolStarted(), printed('one ', 0), printed('one two', 0), printed('two three', 4)]).output['stdout']?.text,
    ).toBe('one two three');
  });

  it('prints anew when it began again after its worker was lost', () => {
    const again = tool([...calling, toolStarted(), printed('old', 0), toolStarted(2), printed('new', 0)]);
    expect(again).toMatchObject({ attempt: 2, output: { stdout: { text: 'new' } } });
  });

  it('waits for a decision, then goes on', () => {
    const asked: Told = [
      'tool.approval_requested',
      {
        tool_calls: [call],
        tool_summaries: [{ id: 'call_1', name: 'bash', reason: 'May destroy.', memorable: true }],
        timeout_seconds: 60,
      },
    ];
    const decided: Told = ['tool.approval_resolved', { tool_call_id: 'call_1', tool_name: 'bash', outcome: 'approved', decision: 'allow' }];
    expect(tool([...calling, asked])).toMatchObject({ state: 'approval', approval: { isMemorable: true, reason: 'May destroy.' } });
    expect(tool([...calling, asked, decided, toolStarted()])).toMatchObject({ state: 'running', decision: 'approved' });
  });

  it('waits for a client that has to answer it', () => {
    expect(tool([...calling, ['tool.call_requested', { tool_calls: [call] }]]).state).toBe('client');
  });

  it('is over when its turn is', () => {
    expect(tool([...calling, toolStarted(), ['turn.cancelled', { turn_id: 'turn_1' }]]).state).toBe('cancelled');
  });
});

describe('several turns', () => {
  it('know a message that came while the turn was running', () => {
    const steered = told([user('Do it'), began, user('Faster', 'm_more')]).filter((item) => item.kind === 'user');
    expect(steered.map(({ steers }) => steers)).toEqual([false, true]);
  });

  it('keep what is loaded the same when older ones come before them', () => {
    const old = log([user('Old', 'm_old'), began, answered('Older'), over]).map((event) => ({ ...event, context: { turn_id: 'turn_0' } }));
    const older = old.map((event) => ('turn_id' in event.data ? { ...event, data: { ...event.data, turn_id: 'turn_0' } } : event));
    const newer = log(WHOLE, 5);
    const loaded = applyEvents(NOTHING_YET, newer);
    const all = withOlder(loaded, [...(older as SessionEvent[]), ...newer.filter(({ sequence }) => sequence !== undefined)]);
    expect(all.blocks.map(({ turnId }) => turnId)).toEqual(['turn_0', 'turn_1']);
    expect(all.blocks[1]).toBe(loaded.blocks[0]);
  });

  it('wait for a budget until there is room in it', () => {
    const paused: Told = ['budget.paused', { budget_id: 'b', currency: 'usd', limit: 1, balance: 0 }];
    const waiting = applyEvents(NOTHING_YET, log([user('Do'), began, paused]));
    expect(waiting.blocks[0]?.budget?.budget_id).toBe('b');
    expect(applyEvents(waiting, log([['budget.resumed', { budget_id: 'b' }]], 4)).blocks[0]?.budget).toBeNull();
  });

  it('tell why one failed', () => {
    const failed = told([user('Do'), began, ['turn.failed', { turn_id: 'turn_1', error: 'No key.', error_code: 'provider_auth' }]]);
    expect(first(failed, 'end')).toMatchObject({ status: 'failed', text: 'No key.', code: 'provider_auth' });
  });

  it('do not tell a failure again that a message has told', () => {
    const told: Told = [
      'output.message.completed',
      { message: { id: 'm_9', role: 'agent', content: [{ type: 'text', text: 'Sorry.' }] }, error_code: 'x' },
    ];
    const failed = first(
      items(
        applyEvents(NOTHING_YET, log([user('Do'), began, told, ['turn.failed', { turn_id: 'turn_1', error: 'No.', error_code: 'x' }]])),
      ),
      'end',
    );
    expect(failed.isTold).toBe(true);
  });

  it('have their tasks as they are now', () => {
    const task = (state: string) => ({ task: { id: 'task_1', display_name: 'Search', state } });
    const conversation = applyEvents(
      NOTHING_YET,
      log([user('Do'), began, ['task.created', task('running')], over, ['task.updated', task('succeeded'), null]]),
    );
    expect(conversation.tasks['task_1']?.state).toBe('succeeded');
  });

  it('know where a fork came from', () => {
    expect(first(told([['session.started', { harness_id: 'h', forked_from_session_id: 'session_0' }, null]]), 'notice').sessionId).toBe(
      'session_0',
    );
  });
});

describe('ten thousand events', () => {
  const ofTurn = (n: number): Told[] =>
    WHOLE.filter(([type]) => !type.endsWith('.delta')).map(([type, data]) => [type, { ...data, turn_id: `turn_${n}` }, `turn_${n}`]);
  const events = log(Array.from({ length: 1_000 }, (_, n) => ofTurn(n)).flat());

  it('are read in a fraction of a second', () => {
    const startedAtMs = performance.now();
    expect(applyEvents(NOTHING_YET, events).lastSequence).toBeGreaterThan(10_000);
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
  });

  it('stay the same objects when a text is written after them', () => {
    const before = applyEvents(NOTHING_YET, events);
    const more = log([['turn.started', { turn_id: 'turn_new', input_message_id: 'm' }, 'turn_new']], 20_000);
    expect(
      applyEvents(before, more)
        .blocks.slice(0, -1)
        .every((block, index) => block === before.blocks[index]),
    ).toBe(true);
  });
});
