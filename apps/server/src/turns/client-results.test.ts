import type { CallRow } from '@everruns/storage';
import { expect, it } from 'vitest';
import { boundedResult, isSameResult } from './client-results.ts';
import type { ToolResultInput } from './port.ts';

const LARGE = 'x'.repeat(70_000);

/** The call as it was settled with this answer. */
function answeredWith(given: Omit<ToolResultInput, 'toolCallId'>, isKept = true): CallRow {
  const { callId, ...result } = boundedResult({ toolCallId: 'c', ...given }).shown(isKept);
  return { step: 1, callId, side: 'client', effect: 'unsafe', state: 'settled', status: 'success', plan: {} as never, result };
}
const again = (given: Omit<ToolResultInput, 'toolCallId'>) => boundedResult({ toolCallId: 'c', ...given });

it.each<[string, Omit<ToolResultInput, 'toolCallId'>, Omit<ToolResultInput, 'toolCallId'>]>([
  ['a text', { result: `${LARGE}a` }, { result: `${LARGE}b` }],
  ['rows', { result: { rows: [LARGE, 1] } }, { result: { rows: [LARGE, 2] } }],
  ['an error', { error: `${LARGE}a` }, { error: `${LARGE}b` }],
])('%s beyond what a prompt shows is told from one that differs at its end alone', (_, first, other) => {
  for (const isKept of [true, false]) {
    expect(isSameResult(answeredWith(first, isKept), again(first))).toBe(true);
    expect(isSameResult(answeredWith(first, isKept), again(other))).toBe(false);
  }
});

it('the order of fields makes no difference, nor does an answer that was kept without a digest', () => {
  const call = answeredWith({ result: { a: LARGE, b: { c: 1, d: 2 } } });
  expect(isSameResult(call, again({ result: { b: { d: 2, c: 1 }, a: LARGE } }))).toBe(true);
  const { digest: _digest, ...head } = call.result as Record<string, unknown>;
  expect(isSameResult(answeredWith({ result: LARGE }), again({ error: LARGE }))).toBe(false);
  expect(isSameResult({ ...call, result: head }, again({ result: { a: LARGE, b: { c: 1, d: 2 } } }))).toBe(true);
});

it('a short answer is compared as it is', () => {
  const call = answeredWith({ result: { ok: true } });
  expect(call.result).toEqual({ result: { ok: true } });
  expect([isSameResult(call, again({ result: { ok: true } })), isSameResult(call, again({ result: { ok: false } }))]).toEqual([
    true,
    false,
  ]);
});
