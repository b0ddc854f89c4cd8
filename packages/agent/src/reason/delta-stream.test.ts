import { describe, expect, it } from 'vitest';
import { createManualClock } from '@everruns/testing/manual-clock';
import { DeltaStream } from './delta-stream.ts';

function setUp() {
  const clock = createManualClock();
  const sent: [number, number, string][] = [];
  const stream = new DeltaStream(clock, (offset, text) => void sent.push([clock.nowMs(), offset, text]));
  const write = (text: string) => {
    stream.push(text);
    stream.pump();
  };
  return { clock, sent, stream, write };
}

describe('DeltaStream', () => {
  it('sends the first piece at once and the rest together every 100 ms', async () => {
    const { clock, sent, write } = setUp();
    for (const text of ['a', 'b', 'c', 'd', 'e']) {
      write(text);
      await clock.advance(30);
    }
    await clock.advance(200);
    expect(sent).toEqual([
      [0, 0, 'a'],
      [100, 1, 'bcd'],
      [200, 4, 'e'],
    ]);
  });

  it('sends a piece at once when the last one is 100 ms ago', async () => {
    const { clock, sent, write } = setUp();
    write('a');
    await clock.advance(100);
    write('b');
    expect(sent).toEqual([
      [0, 0, 'a'],
      [100, 1, 'b'],
    ]);
    expect(clock.timers).toBe(0);
  });

  it('sends everything on flush, and nothing twice', async () => {
    const { clock, sent, stream, write } = setUp();
    write('a');
    write('b');
    stream.flush();
    stream.flush();
    await clock.advance(500);
    expect(sent.map(([, , text]) => text)).toEqual(['a', 'b']);
  });

  it('never splits a surrogate pair', async () => {
    const { clock, sent, write } = setUp();
    const [high, low] = ['\ud83d', '\ude00'];
    write(`a${high}`);
    write(`${low}b`);
    await clock.advance(100);
    expect(sent).toEqual([
      [0, 0, 'a'],
      [100, 1, '\u{1f600}b'],
    ]);
  });
});
