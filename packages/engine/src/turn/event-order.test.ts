import { describe, expect, it } from 'vitest';
import type { PlannedCall } from '@everruns/contract';
import type { Plan, TaskDraft } from '../plan.ts';
import { decideReason, decideTool, startTurn } from './decide.ts';
import { decideCancel, decideClientResults } from './end.ts';
import { cutText } from './session-events.ts';
import type { TurnState } from './state.ts';
import { call, FAILURE, MODEL, openOf, outcome, plansOf, testContext, types } from './turn-fixtures.ts';

/** Whole turns against the order that clients rely on (contract 3.4). */
class Play {
  readonly log: string[] = ['input.message', 'turn.started', 'session.activated'];
  readonly ctx = testContext();
  state: TurnState;
  tasks: TaskDraft[];
  plans: ReadonlyMap<string, PlannedCall> = new Map();

  constructor() {
    const start = startTurn({ turnId: this.ctx.ids.next(), inputMessageId: 'message_1', inputPreview: 'Hi' }, this.ctx);
    this.state = start.state;
    this.tasks = [start.task];
  }

  claim(callId: string | null = null): TaskDraft {
    const index = this.tasks.findIndex((task) => task.callId === callId);
    const [task] = this.tasks.splice(index, 1);
    if (index === -1 || task === undefined) throw new Error(`Nothing to claim for ${callId}.`);
    this.log.push(task.payload.start.type + (callId === null ? '' : ` ${callId}`));
    return task;
  }

  reason(parts: Parameters<typeof outcome>[0], branch: 'plan' | 'steered' = 'plan'): this {
    this.claim();
    const decision = decideReason(this.state, outcome(parts), MODEL, this.ctx);
    this.plans = plansOf(parts?.calls ?? []);
    return this.apply(decision[branch] as Plan);
  }

  tool(id: string, branch: 'others' | 'last'): this {
    const settled = { callId: id, end: { status: 'success' as const, result: 1 }, plans: this.plans };
    return this.apply(decideTool(this.state, settled, this.ctx)[branch]);
  }

  apply(plan: Plan): this {
    this.log.push(
      ...plan.events.map((event) =>
        event.type.startsWith('tool.completed') ? `${event.type} ${String(event.data['tool_call_id'])}` : event.type,
      ),
    );
    if (plan.state !== null) this.state = plan.state as TurnState;
    this.tasks.push(...plan.tasks);
    return this;
  }
}

const START = ['input.message', 'turn.started', 'session.activated', 'reason.started'];
const STEP = ['llm.generation', 'reason.completed', 'output.message.completed'];
const END = ['turn.completed', 'session.idled'];

describe('the log of', () => {
  it('a text turn', () => {
    expect(new Play().reason({}).log).toEqual([...START, ...STEP, ...END]);
  });

  it('a thinking step: what was not yet appended comes before the generation', () => {
    const events = [
      { type: 'reason.thinking.started' as const, data: {} },
      { type: 'reason.thinking.completed' as const, data: {} },
      { type: 'output.message.started' as const, data: {} },
    ];
    expect(new Play().reason({ events }).log).toEqual([...START, ...events.map((event) => event.type), ...STEP, ...END]);
  });

  it('two tools that run side by side', () => {
    const play = new Play().reason({ calls: [call('a'), call('b')] });
    play.claim('a');
    play.claim('b');
    play.tool('b', 'others').tool('a', 'last').reason({});
    const tools = ['act.started', 'tool.started a', 'tool.started b', 'tool.completed b', 'tool.completed a', 'act.completed'];
    expect(play.log).toEqual([...START, ...STEP, ...tools, 'reason.started', ...STEP, ...END]);
  });

  it('client-side tools', () => {
    const client = call('c', { side: 'client' });
    const play = new Play().reason({ calls: [client] });
    play.apply(decideClientResults(play.state, openOf([client]), [{ callId: 'c', result: 1 }], play.ctx)).reason({});
    const tools = ['act.started', 'tool.call_requested', 'tool.completed c', 'act.completed'];
    expect(play.log).toEqual([...START, ...STEP, ...tools, 'reason.started', ...STEP, ...END]);
  });

  it('a mixed batch: the client is asked when the last server call has settled', () => {
    const calls = [call('c', { side: 'client' }), call('a')];
    const play = new Play().reason({ calls });
    play.claim('a');
    play.tool('a', 'last');
    play.apply(decideClientResults(play.state, openOf(calls.slice(0, 1)), [{ callId: 'c', result: 1 }], play.ctx)).reason({});
    const tools = ['act.started', 'tool.started a', 'tool.completed a', 'tool.call_requested', 'tool.completed c', 'act.completed'];
    expect(play.log).toEqual([...START, ...STEP, ...tools, 'reason.started', ...STEP, ...END]);
  });

  it('a steered turn: the answer stays, and the model is asked again', () => {
    expect(new Play().reason({}, 'steered').reason({}).log).toEqual([...START, ...STEP, 'reason.started', ...STEP, ...END]);
  });

  it('a failure: the text for the user, then the end', () => {
    const play = new Play().reason({ ...FAILURE, text: 'Half an ans' });
    expect(play.log).toEqual([
      ...START,
      ...STEP.slice(0, 2),
      'output.message.completed',
      'output.message.completed',
      'turn.failed',
      'session.idled',
    ]);
  });
});

describe('payloads that clients rely on', () => {
  it('the message of a step has the same id on every attempt, and its turn names it', () => {
    const play = new Play();
    const { message_id } = play.state.step;
    const { plan } = decideReason(play.state, outcome(), MODEL, play.ctx);
    const id = `message_${message_id.replaceAll('-', '')}`;
    expect(plan.events.find((event) => event.type === 'output.message.completed')?.data['message']).toMatchObject({ id });
    expect(plan.events.find((event) => event.type === 'turn.completed')?.data).toMatchObject({
      final_message_id: id,
      stop_reason: 'end_turn',
    });
  });

  it('a turn that stops at its iteration cap says so and runs no call', () => {
    const play = new Play();
    const { plan } = decideReason(play.state, outcome({ calls: [call('a')], max_iterations: 1 }), MODEL, play.ctx);
    expect(plan.events.find((event) => event.type === 'turn.completed')?.data).toMatchObject({
      stop_reason: 'max_turn_requests',
      tool_call_count: 0,
    });
    expect(plan.calls).toEqual([]);
  });

  it('a started and its completed event share a span', () => {
    const play = new Play().reason({ calls: [call('a')] });
    const started = play.tasks[0]?.payload.context;
    const completed = decideTool(play.state, { callId: 'a', end: { status: 'success' }, plans: play.plans }, play.ctx).last.events[0]
      ?.context;
    expect(completed?.span_id).toBe(started?.span_id);
    expect(completed?.parent_span_id).toBe(started?.parent_span_id);
    expect(completed?.exec_id).toBe(started?.exec_id);
  });

  it('a failure shows its code to the user and in the end of the turn', () => {
    const play = new Play();
    const { plan } = decideReason(play.state, outcome(FAILURE), MODEL, play.ctx);
    expect(types(plan).slice(-3)).toEqual(['output.message.completed', 'turn.failed', 'session.idled']);
    expect(plan.events.slice(-3, -1).map((event) => event.data['error_code'])).toEqual(['provider_rate_limited', 'provider_rate_limited']);
  });

  it('text of an answer that is in the log already is not kept again by a cancel', () => {
    const play = new Play().reason({ calls: [call('a')] });
    const cancelled = decideCancel(play.state, { reason: 'user_request', open: [], partial: { text: 'Half' } }, play.ctx);
    expect(types(cancelled)).toEqual(['act.completed', 'turn.cancelled', 'session.idled']);
  });

  it('a preview never ends in half a character', () => {
    expect(cutText('ab😀', 3)).toBe('ab');
    expect(cutText('ab😀', 4)).toBe('ab😀');
    expect(cutText('a😀b', 3)).toBe('a😀');
    expect(cutText('abc', 3)).toBe('abc');
    const play = new Play();
    const { plan } = decideReason(play.state, outcome({ text: `${'x'.repeat(199)}😀` }), MODEL, play.ctx);
    expect(plan.events.find((event) => event.type === 'reason.completed')?.data['text_preview']).toBe('x'.repeat(199));
  });

  it('usage adds up over the steps of a turn', () => {
    const play = new Play().reason({ calls: [call('a')] });
    play.claim('a');
    play.tool('a', 'last').reason({ usage: { input_tokens: 5, output_tokens: 7, cache_read_tokens: 2 } });
    expect(play.state.usage).toEqual({ input_tokens: 15, output_tokens: 10, cache_read_tokens: 2 });
    expect(play.state).toMatchObject({ llm_call_count: 2, tool_call_count: 1, phase: 'ended' });
  });
});
