import type { DurableEvent, DurableEventType } from '@everruns/contract';
import { describe, expect, it } from 'vitest';
import { findingsOf } from './findings.ts';

const AT = Date.parse('2030-01-01T00:00:00Z');
const KILL = { worker: 'worker-a', atMs: AT + 4_500 };

function logOf(...rows: [DurableEventType, Record<string, unknown>?][]): DurableEvent[] {
  return rows.map(([type, data = {}], index) => {
    return {
      id: `event_${index + 1}`,
      type,
      ts: new Date(AT + (index + 1) * 1_000).toISOString(),
      session_id: 's',
      context: {},
      data,
      sequence: index + 1,
    };
  });
}

const good = logOf(
  ['turn.started'],
  ['output.message.completed', { message: { content: [{ type: 'tool_call', id: 'b1' }] } }],
  ['tool.completed', { tool_call_id: 'b1', tool_name: 'book' }],
  ['reason.started'],
  ['reason.recovered'],
  ['turn.completed'],
  ['session.idled'],
);
const verdicts = (log: DurableEvent[], ledger = ['b1']) => findingsOf(log, ledger, KILL).map((finding) => finding.good);

describe('findingsOf', () => {
  it('says what a good log shows, with the time to the takeover', () => {
    expect(findingsOf(good, ['b1'], KILL)).toEqual([
      { good: true, line: 'The log has 7 events, numbered 1 to 7 without a gap.' },
      { good: true, line: 'The turn ended once: turn.completed.' },
      { good: true, line: '1 tool calls were made, and each was settled exactly once.' },
      { good: true, line: '1 bookings were asked for, and the ledger outside has 1, each once.' },
      {
        good: true,
        line: 'worker-a was killed with SIGKILL in the middle of an answer; 500 ms later the other worker had the turn (reason.recovered).',
      },
    ]);
  });

  it.each<[string, boolean[], boolean[]]>([
    ['a gap', verdicts(good.filter((event) => event.sequence !== 4)), [false, true, true, true, true]],
    ['an end that came twice', verdicts([...good, { ...(good[5] as DurableEvent), sequence: 8 }]), [true, false, true, true, true]],
    [
      'a call that was settled twice',
      verdicts([...good.slice(0, 3), { ...(good[2] as DurableEvent), sequence: 4 }, ...good.slice(4)]),
      [true, true, false, false, true],
    ],
    ['a double booking', verdicts(good, ['b1', 'b1']), [true, true, true, false, true]],
    ['a booking that did not happen', verdicts(good, []), [true, true, true, false, true]],
    ['nobody taking over', verdicts(good.slice(0, 4)), [true, false, true, true, false]],
  ])('finds %s', (_, found, expected) => {
    expect(found).toEqual(expected);
  });
});
