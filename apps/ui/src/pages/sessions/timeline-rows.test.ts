import type { SessionEvent } from '@everruns/client';
import { expect, it } from 'vitest';
import { barOf, timelineOf } from './timeline-rows.ts';

type Told = [atMs: number, type: string, data?: object, turn?: string];

const log = (told: readonly Told[]): SessionEvent[] =>
  told.map(([atMs, type, data = {}, turn = 'turn_1'], index) => ({
    id: `event_${index}`,
    type,
    ts: new Date(atMs).toISOString(),
    session_id: 's',
    context: { turn_id: turn },
    data,
    sequence: index + 1,
  })) as unknown as SessionEvent[];

const rows = (told: readonly Told[]) =>
  timelineOf(log(told)).flatMap(({ rows }) => rows.map(({ kind, label, startMs, endMs, state }) => [kind, label, startMs, endMs, state]));

const reason = (iteration: number, attempt = 1) => ({ iteration, attempt });
const call = { id: 'c', name: 'bash', arguments: {} };

it('has the model calls and tools of a turn with their times', () => {
  expect(
    rows([
      [0, 'turn.started'],
      [10, 'reason.started', reason(1)],
      [50, 'reason.completed', { success: true }],
      [60, 'tool.started', { tool_call: call }],
      [90, 'tool.completed', { tool_call_id: 'c', status: 'error' }],
      [100, 'turn.completed'],
    ]),
  ).toEqual([
    ['model', 'Model call 1', 10, 50, 'done'],
    ['tool', 'bash', 60, 90, 'failed'],
  ]);
});

it('shows a call that began again as lost and anew', () => {
  expect(
    rows([
      [0, 'reason.started', reason(1)],
      [30, 'reason.recovered', { mode: 'restart' }],
      [31, 'reason.started', reason(1, 2)],
      [40, 'reason.completed', { success: true }],
      [50, 'tool.started', { tool_call: call }],
      [70, 'tool.started', { tool_call: call, attempt: 2 }],
      [80, 'tool.completed', { tool_call_id: 'c', status: 'success' }],
    ]).map(([kind, , startMs, endMs, state]) => [kind, startMs, endMs, state]),
  ).toEqual([
    ['model', 0, 30, 'lost'],
    ['other', 30, 30, 'lost'],
    ['model', 31, 40, 'done'],
    ['tool', 50, 70, 'lost'],
    ['tool', 70, 80, 'done'],
  ]);
});

it('shows what a turn waited for', () => {
  expect(
    rows([
      [0, 'tool.approval_requested', { tool_calls: [call] }],
      [500, 'tool.approval_resolved', { tool_call_id: 'c', outcome: 'approved' }],
      [600, 'budget.paused'],
      [900, 'budget.resumed'],
    ]),
  ).toEqual([
    ['wait', 'Waits for a decision', 0, 500, 'done'],
    ['wait', 'Waits for a budget', 600, 900, 'done'],
  ]);
});

it('ends with its turn what was under way, and keeps turns apart', () => {
  const turns = timelineOf(
    log([
      [0, 'reason.started', reason(1), 'turn_a'],
      [5, 'turn.cancelled', {}, 'turn_a'],
      [7, 'turn.started', {}, 'turn_b'],
    ]),
  );
  expect(turns.map(({ turnId, status, endMs }) => [turnId, status, endMs])).toEqual([
    ['turn_a', 'cancelled', 5],
    ['turn_b', 'running', null],
  ]);
  expect(turns[0]?.rows[0]).toMatchObject({ endMs: 5, state: 'cancelled' });
});

it('draws bars that stay inside and can be seen', () => {
  const [turn] = timelineOf(
    log([
      [0, 'turn.started'],
      [500, 'tool.started', { tool_call: call }],
      [500, 'tool.completed', { tool_call_id: 'c', status: 'success' }],
      [900, 'reason.started', reason(2)],
    ]),
  );
  const bars = turn?.rows.map((row) => barOf(row, turn, 1_000));
  expect(bars).toEqual([
    { left: 50, width: 0.5 },
    { left: 90, width: 10 },
  ]);
});
