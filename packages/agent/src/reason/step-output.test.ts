import { describe, expect, it } from 'vitest';
import type { InStepEvent } from '@everruns/contract';
import { createManualClock } from '@everruns/testing/manual-clock';
import { createRecordingSink } from '@everruns/testing/step-fixtures';
import { StepOutput } from './step-output.ts';

const event = (type: InStepEvent['type']): InStepEvent => ({ type, data: {} });
const started = event('output.message.started');

function setUp() {
  const clock = createManualClock();
  const sink = createRecordingSink();
  return { clock, sink, output: new StepOutput(sink, clock, 'message_1') };
}

describe('StepOutput', () => {
  it('gives events back and sends no text when the step ends within 5 ms', async () => {
    const { clock, sink, output } = setUp();
    output.record(started);
    output.write('output', 'All of it');
    await clock.advance(4);
    expect(output.finish()).toEqual([started]);
    await clock.advance(1_000);
    expect(sink.log).toEqual([]);
  });

  it('appends events after 5 ms, and their text behind them', async () => {
    const { clock, sink, output } = setUp();
    output.record(started);
    output.write('output', 'Some');
    await clock.advance(5);
    output.write('output', ' more');
    expect(output.finish()).toEqual([]);
    expect(sink.log).toEqual([
      { append: [started] },
      { delta: { stream: 'output', messageId: 'message_1', offset: 0, text: 'Some' } },
      { delta: { stream: 'output', messageId: 'message_1', offset: 4, text: ' more' } },
    ]);
  });

  it('appends events that come within 5 ms of each other together', async () => {
    const { clock, sink, output } = setUp();
    output.record(event('reason.thinking.completed'));
    output.attach(event('reason.item'));
    await clock.advance(3);
    output.record(started);
    await clock.advance(2);
    expect(sink.log).toEqual([{ append: [event('reason.thinking.completed'), event('reason.item'), started] }]);
  });

  it('holds text back while an event before it is not appended', async () => {
    const { clock, sink, output } = setUp();
    output.attach(event('transcript.repaired'));
    await clock.advance(1_000);
    expect(sink.log).toEqual([]);
    output.record(started);
    output.write('output', 'x');
    expect(sink.log).toEqual([]);
    await clock.advance(5);
    expect(sink.log).toEqual([
      { append: [event('transcript.repaired'), started] },
      expect.objectContaining({ delta: expect.anything() as unknown }),
    ]);
  });
});
