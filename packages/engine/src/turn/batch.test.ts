import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlannedCall } from '@everruns/contract';
import type { Plan } from '../plan.ts';
import { batchOf, startable, successorOf, withUniqueIds } from './batch.ts';
import { decideTool } from './decide.ts';
import { fold } from './state.ts';
import type { TurnEvent, TurnState } from './state.ts';
import { call, countingIds, plansOf, testContext, turnWithCalls } from './turn-fixtures.ts';

const inClass = (id: string, concurrency_class?: string): PlannedCall =>
  call(id, concurrency_class === undefined ? {} : { concurrency_class });

describe('the calls of a batch', () => {
  it('start together when nothing orders them', () => {
    const batch = batchOf([inClass('a'), inClass('b'), inClass('c')], { ids: countingIds(), serial: false });
    expect(startable(batch).map((entry) => entry.id)).toEqual(['a', 'b', 'c']);
  });

  it('of one class follow each other in the order of the model; other classes do not wait for them', () => {
    const calls = [
      inClass('a', 'disk'),
      inClass('b', 'net'),
      inClass('c', 'disk'),
      inClass('d'),
      inClass('e', 'disk'),
      inClass('f', 'net'),
    ];
    const batch = batchOf(calls, { ids: countingIds(), serial: false });
    expect(startable(batch).map((entry) => entry.id)).toEqual(['a', 'b', 'd']);
    expect(batch.map((entry) => entry.next)).toEqual(['c', 'f', 'e', undefined, undefined, undefined]);
    expect(successorOf(batch, batch[0]!)?.id).toBe('c');
    expect(successorOf(batch, batch[3]!)).toBeNull();
  });

  it('are one chain when one call at a time is asked for', () => {
    const batch = batchOf([inClass('a', 'disk'), inClass('b'), inClass('c', 'net')], { ids: countingIds(), serial: true });
    expect(startable(batch).map((entry) => entry.id)).toEqual(['a']);
    expect(batch.map((entry) => entry.next)).toEqual(['b', 'c', undefined]);
  });

  it('on the side of the client neither start here nor stand in a chain', () => {
    const calls = [inClass('a', 'disk'), call('c', { side: 'client', concurrency_class: 'disk' }), inClass('b', 'disk')];
    const batch = batchOf(calls, { ids: countingIds(), serial: false });
    expect(startable(batch).map((entry) => entry.id)).toEqual(['a']);
    expect(batch.map((entry) => entry.next)).toEqual(['b', undefined, undefined]);
  });
});

describe('withUniqueIds', () => {
  it.each([
    [
      ['a', 'a', 'a'],
      ['a', 'a_2', 'a_3'],
    ],
    [
      ['', ''],
      ['call', 'call_2'],
    ],
    [
      ['a', 'a', 'a_2'],
      ['a', 'a_2', 'a_2_2'],
    ],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  ])('%j become %j', (given, expected) => {
    expect(withUniqueIds(given.map((id) => call(id))).map((entry) => entry.id)).toEqual(expected);
  });
});

/** Storage's part of a completion: `last` when one call is open, counted on the locked row. */
function complete(
  order: readonly string[],
  calls: readonly PlannedCall[],
  state: TurnState,
): { plans: Plan[]; state: TurnState; lasts: number } {
  let open = calls.filter((entry) => entry.side === 'server').length;
  let lasts = 0;
  let after = state;
  const plans = order.map((callId) => {
    const ctx = testContext();
    const decision = decideTool(state, { callId, end: { status: 'success', result: callId }, plans: plansOf(calls) }, ctx);
    const plan = open === 1 ? decision.last : decision.others;
    if (open === 1) lasts++;
    open -= plan.settle.length;
    after = fold(after, plan.history as TurnEvent[]);
    return plan;
  });
  return { plans, state: after, lasts };
}

describe('completions of parallel calls commute', () => {
  const withoutIds = (state: TurnState): unknown => ({ ...state, step: null });

  it.each([
    ['server calls only', [call('a'), call('b'), call('c'), call('d')]],
    ['client calls among them', [call('a'), call('c', { side: 'client' }), call('b'), call('d')]],
  ])('%s: every order ends in the same state with the same events, and exactly one is the last', (_name, calls) => {
    const { state } = turnWithCalls(calls, testContext());
    const ids = calls.filter((entry) => entry.side === 'server').map((entry) => entry.id);
    const reference = complete(ids, calls, state);
    const multiset = (plans: readonly Plan[]): string[] => plans.flatMap((plan) => plan.events.map((event) => event.type)).sort();
    fc.assert(
      fc.property(fc.shuffledSubarray(ids, { minLength: ids.length, maxLength: ids.length }), (order) => {
        const result = complete(order, calls, state);
        expect(result.lasts).toBe(1);
        expect(withoutIds(result.state)).toEqual(withoutIds(reference.state));
        expect(multiset(result.plans)).toEqual(multiset(reference.plans));
        expect(result.plans.flatMap((plan) => plan.settle.map((settled) => settled.callId)).sort()).toEqual(ids.toSorted());
      }),
      { seed: 20_260_102, numRuns: 100 },
    );
  });

  it('a chain hands on to its next call, whatever the other calls do', () => {
    const calls = [inClass('a', 'disk'), inClass('b', 'disk'), inClass('c')];
    const { state, plan } = turnWithCalls(calls, testContext());
    expect(plan.tasks.map((task) => task.callId)).toEqual(['a', 'c']);
    for (const order of [
      ['a', 'b', 'c'],
      ['a', 'c', 'b'],
      ['c', 'a', 'b'],
    ]) {
      const started = complete(order, calls, state).plans.flatMap((done) => done.tasks.map((task) => task.callId ?? 'reason'));
      expect(started.sort()).toEqual(['b', 'reason']);
    }
  });

  it('a successor has the same task id whoever schedules it', () => {
    const calls = [inClass('a', 'disk'), inClass('b', 'disk')];
    const { state } = turnWithCalls(calls, testContext());
    const again = (): string | undefined => complete(['a'], calls, state).plans[0]?.tasks[0]?.id;
    expect(again()).toBe(again());
    expect(again()).toBe(state.calls[1]?.task_id);
  });

  it('refuses to go on without the plan of a call that has to start', () => {
    const calls = [inClass('a', 'disk'), inClass('b', 'disk')];
    const { state } = turnWithCalls(calls, testContext());
    const settled = { callId: 'a', end: { status: 'success' as const }, plans: plansOf(calls.slice(0, 1)) };
    expect(() => decideTool(state, settled, testContext())).toThrow('plan of call b');
  });

  it('refuses to settle a call that the batch does not have', () => {
    const { state } = turnWithCalls([call('a')], testContext());
    const settled = { callId: 'z', end: { status: 'success' as const }, plans: plansOf([]) };
    expect(() => decideTool(state, settled, testContext())).toThrow('no open call z');
  });
});
