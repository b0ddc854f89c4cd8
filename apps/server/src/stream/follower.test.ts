import { messageTag, parseEventId, toPublicId } from '@everruns/contract';
import type { OpenTexts } from '@everruns/storage';
import { NO_OPEN_TEXTS } from '@everruns/storage';
import { describe, expect, it } from 'vitest';
import { Follower } from './follower.ts';
import type { FollowerOptions } from './follower.ts';
import { DeltaFrames } from './frames.ts';
import type { LiveText } from './live-texts.ts';
import { completed, entry, generated, glance, MESSAGE, parseFrames, SESSION, started, TURN } from './testing/events.ts';

function follower(options: Partial<FollowerOptions> = {}): Follower {
  return new Follower({
    sessionId: SESSION,
    after: 0,
    open: NO_OPEN_TEXTS,
    shown: null,
    resumed: true,
    wants: () => true,
    accumulated: true,
    date: () => new Date(1_800_000_000_000),
    ...options,
  });
}

function live(text: string, startedSequence: number, stream: 'output' | 'thinking' = 'output', attempt = 1): LiveText {
  const turnId = toPublicId('turn', TURN);
  return {
    sessionId: SESSION,
    stream,
    messageId: MESSAGE,
    turnId,
    attempt,
    startedSequence,
    text,
    touchedMs: 0,
    relayed: true,
    frames: new DeltaFrames(),
  };
}

const openAt = (startedSequence: number): OpenTexts => {
  return {
    ...NO_OPEN_TEXTS,
    attempt: 1,
    output: { startedSequence, messageId: toPublicId('message', MESSAGE), attempt: 1, outputOffset: null },
  };
};

/** What a stream is served of one text. */
function follow(stream: Follower, text: LiveText): Buffer | null {
  return stream.followTexts((wanted) => (wanted === text.stream ? text : null))[0] ?? null;
}

const frames = (...parts: (Buffer | Buffer[] | null)[]): string[] => glance(parts.flatMap((part) => part ?? []));

describe('W9: text of an open message', () => {
  it('goes out as deltas that follow each other, each with the place where it ends as its id', () => {
    const stream = follower({ after: 4 });
    stream.accept(started(5));
    stream.caughtUp();
    const text = live('Hel', 5);
    const first = follow(stream, text) as Buffer;
    text.text = 'Hello';
    const second = follow(stream, text) as Buffer;
    expect(frames(first, second)).toEqual(['0+Hel', '3+lo']);
    const [, frame] = parseFrames([first, second]);
    expect(frame).toMatchObject({
      event: 'output.message.delta',
      retry: '100',
      data: {
        type: 'output.message.delta',
        context: { turn_id: toPublicId('turn', TURN) },
        data: {
          turn_id: toPublicId('turn', TURN),
          message_id: toPublicId('message', MESSAGE),
          delta: 'lo',
          accumulated: 'Hello',
          offset: 3,
          attempt: 1,
        },
      },
    });
    expect(frame?.id).toBeUndefined();
    expect(frame?.data).not.toHaveProperty('sequence');
    expect(parseEventId(frame?.data['id'] as string)).toMatchObject({
      kind: 'ephemeral',
      sequence: 5,
      offset: 5,
      stream: 'output',
      messageTag: messageTag(MESSAGE, 1),
    });
  });

  it('waits until its started event has been served', () => {
    const stream = follower();
    stream.accept(entry(1, 'input.message'));
    expect(follow(stream, live('early', 2))).toBeNull();
    stream.accept(started(2));
    expect(frames(follow(stream, live('early', 2)))).toEqual(['0+early']);
  });

  it('leaves the whole text so far out when the client asks for that', () => {
    const stream = follower({ accumulated: false });
    stream.accept(started(1));
    expect(parseFrames([follow(stream, live('x', 1)) as Buffer])[0]?.data.data).not.toHaveProperty('accumulated');
  });

  it('does not go to a client that left its type out, and the events still count as served', () => {
    const stream = follower({ wants: (type) => type === 'turn.completed' });
    stream.caughtUp();
    expect(stream.accept(started(1))).toEqual([]);
    expect(follow(stream, live('x', 1))).toBeNull();
    expect(stream.accept(completed(2, 'xyz'))).toEqual([]);
    expect(frames(stream.accept(entry(3, 'turn.completed')))).toEqual(['turn.completed']);
  });

  it('is never cut within a character', () => {
    const stream = follower();
    stream.accept(started(1));
    const text = live('a\ud83d', 1);
    expect(frames(follow(stream, text))).toEqual(['0+a']);
    text.text = 'a\ud83d\ude42';
    expect(frames(follow(stream, text))).toEqual(['1+🙂']);
  });

  it('gets a new place after an event in its middle, so that a client that comes back from there has an offset', () => {
    const stream = follower();
    stream.accept(started(1));
    const text = live('abc', 1);
    follow(stream, text);
    stream.accept(entry(2, 'input.message'));
    const renewed = follow(stream, text) as Buffer;
    expect(frames(renewed)).toEqual(['3+']);
    expect(parseEventId(parseFrames([renewed])[0]?.data['id'] as string)).toMatchObject({ sequence: 2, offset: 3 });
    expect(follow(stream, text)).toBeNull();
  });
});

describe('the completed event', () => {
  it('comes after all of the text, when the stream followed the message', () => {
    const stream = follower();
    stream.accept(started(1));
    stream.caughtUp();
    follow(stream, live('ab', 1));
    expect(frames(stream.accept(completed(2, 'abcd')))).toEqual(['2+cd', 'output.message.completed']);
  });

  it('comes after the whole text in one delta, when the text was never shown before', () => {
    const stream = follower();
    stream.caughtUp();
    expect(frames(stream.accept(started(1)), stream.accept(completed(2, 'at once')))).toEqual([
      'output.message.started',
      '0+at once',
      'output.message.completed',
    ]);
  });

  it('comes alone in the replay of a message that was over before', () => {
    const stream = follower();
    expect(frames(stream.accept(started(1)), stream.accept(completed(2, 'over')))).toEqual([
      'output.message.started',
      'output.message.completed',
    ]);
  });

  it('comes alone when the message is not the one that was open: a notice has an id of its own', () => {
    const stream = follower();
    stream.caughtUp();
    const message = { id: 'message_other', role: 'agent', content: [{ type: 'text', text: 'sorry' }] };
    expect(frames(stream.accept(entry(1, 'output.message.completed', { message, error_code: 'x' })))).toEqual(['output.message.completed']);
  });

  it('of thinking comes after all of it', () => {
    const stream = follower();
    stream.caughtUp();
    stream.accept(entry(1, 'reason.thinking.started'));
    follow(stream, live('hm', 1, 'thinking'));
    expect(frames(stream.accept(entry(2, 'reason.thinking.completed', { thinking: 'hmmm' })))).toEqual([
      '~2+mm',
      'reason.thinking.completed',
    ]);
  });
});

describe('the events that close a step', () => {
  it('come after all of the text, so that none is owed at the cursor of any of them', () => {
    const stream = follower();
    stream.accept(started(1));
    stream.caughtUp();
    follow(stream, live('ab', 1));
    const closing = [generated(2, 'abcd'), entry(3, 'reason.completed'), completed(4, 'abcd')];
    expect(frames(...closing.map((event) => stream.accept(event)))).toEqual([
      '2+cd',
      'llm.generation',
      'reason.completed',
      'output.message.completed',
    ]);
  });

  it('come after all of the text also when the client left some of them out', () => {
    const stream = follower({ wants: (type) => type.startsWith('output.') });
    stream.accept(started(1));
    stream.caughtUp();
    const rest = stream.accept(generated(2, 'abcd'));
    expect(frames(rest)).toEqual(['0+abcd']);
    expect(parseEventId(parseFrames(rest)[0]?.data['id'] as string)).toMatchObject({ sequence: 1, offset: 4 });
    expect(frames(stream.accept(completed(3, 'abcd')))).toEqual(['output.message.completed']);
  });

  it('end a text for good: late pieces of it go nowhere', () => {
    const stream = follower();
    stream.accept(started(1));
    stream.caughtUp();
    stream.accept(generated(2, 'ab'));
    expect(follow(stream, live('ab', 1))).toBeNull();
  });

  it('come alone to who comes back from the end of the text', () => {
    const stream = follower({ after: 5, open: openAt(5), shown: { stream: 'output', offset: 4 } });
    expect(frames(stream.accept(generated(6, 'abcd')), stream.accept(completed(7, 'abcd')))).toEqual([
      'llm.generation',
      'output.message.completed',
    ]);
  });
});

describe('W8: a stream that begins inside a message', () => {
  it('gets the text after the offset of its delta', () => {
    const stream = follower({ after: 5, open: openAt(5), shown: { stream: 'output', offset: 3 } });
    expect(frames(follow(stream, live('Hello', 5)))).toEqual(['3+lo']);
  });

  it('waits when this instance knows less than the client', () => {
    const stream = follower({ after: 5, open: openAt(5), shown: { stream: 'output', offset: 3 } });
    expect(follow(stream, live('He', 5))).toBeNull();
    stream.accept(entry(6, 'input.message'));
    expect(follow(stream, live('He', 5))).toBeNull();
    expect(frames(stream.accept(completed(7, 'Hello')))).toEqual(['3+lo', 'output.message.completed']);
  });

  it('gets the whole text when its cursor is an event', () => {
    const stream = follower({ after: 6, open: openAt(5) });
    expect(frames(follow(stream, live('Hello', 5)))).toEqual(['0+Hello']);
  });

  it('gets the rest although the message was over meanwhile', () => {
    const stream = follower({ after: 5, open: openAt(5), shown: { stream: 'output', offset: 3 } });
    expect(frames(stream.accept(completed(6, 'Hello')))).toEqual(['3+lo', 'output.message.completed']);
  });

  it('gets the text of another attempt from its beginning', () => {
    const stream = follower({ after: 5, open: openAt(5), shown: { stream: 'output', offset: 3 } });
    expect(follow(stream, live('Hello', 5, 'output', 1))).not.toBeNull();
    stream.accept(entry(6, 'reason.recovered', { attempt: 2 }));
    expect(follow(stream, live('Hello', 5, 'output', 1))).toBeNull();
    stream.accept(started(7));
    expect(frames(follow(stream, live('Hi', 7, 'output', 2)))).toEqual(['0+Hi']);
    expect(frames(stream.accept(completed(8, 'Hi!')))).toEqual(['2+!', 'output.message.completed']);
  });

  it('gets the other attempt as deltas even when all of that was over before it came back', () => {
    const stream = follower({ after: 5, open: openAt(5), shown: { stream: 'output', offset: 3 } });
    stream.accept(entry(6, 'reason.recovered', { attempt: 2 }));
    stream.accept(started(7));
    expect(frames(stream.accept(completed(8, 'Hi!')))).toEqual(['0+Hi!', 'output.message.completed']);
  });

  it('gets nothing more of a message whose turn was cancelled', () => {
    const stream = follower({ after: 5, open: openAt(5) });
    stream.accept(entry(6, 'turn.cancelled'));
    expect(follow(stream, live('Hello', 5))).toBeNull();
  });
});

describe('thinking that interrupts a message', () => {
  const thinkingAt = (outputOffset: number): OpenTexts => {
    return { ...openAt(5), thinking: { startedSequence: 6, messageId: null, attempt: 1, outputOffset } };
  };
  const both = (output: string, thinking: string) => {
    const texts = { output: live(output, 5), thinking: live(thinking, 6, 'thinking') };
    return (stream: Follower): string[] => frames(stream.followTexts((wanted) => texts[wanted]));
  };

  it('comes after the part of the message that precedes it, however late that part arrives', () => {
    const stream = follower({ after: 4 });
    stream.accept(started(5));
    stream.accept(entry(6, 'reason.thinking.started', { output_offset: 5 }));
    stream.caughtUp();
    expect(both('Hel', 'hm')(stream)).toEqual(['0+Hel']);
    expect(both('Hello', 'hmm')(stream)).toEqual(['3+lo', '~0+hmm']);
  });

  it('holds back what follows it in the message, until it is over', () => {
    const stream = follower({ after: 4 });
    stream.accept(started(5));
    stream.accept(entry(6, 'reason.thinking.started', { output_offset: 5 }));
    stream.caughtUp();
    expect(both('Hello, world', 'hm')(stream)).toEqual(['0+Hello', '~0+hm']);
    stream.accept(entry(7, 'reason.thinking.completed', { thinking: 'hm' }));
    expect(both('Hello, world', '')(stream)).toEqual(['5+, world']);
  });

  it('gets a new place after an event in its middle, and the message does not', () => {
    const stream = follower({ after: 6, open: thinkingAt(5), shown: { stream: 'thinking', offset: 2 } });
    stream.accept(entry(7, 'input.message'));
    expect(both('Hello', 'hm')(stream)).toEqual(['~2+']);
  });

  it('is a place in the message too: who comes back from it gets the message from there', () => {
    const stream = follower({ after: 6, open: thinkingAt(5), shown: { stream: 'thinking', offset: 2 } });
    expect(both('Hello', 'hmm')(stream)).toEqual(['~2+m']);
    expect(frames(stream.accept(entry(7, 'reason.thinking.completed', { thinking: 'hmmm' })))).toEqual([
      '~3+m',
      'reason.thinking.completed',
    ]);
    expect(both('Hello, world', '')(stream)).toEqual(['5+, world']);
  });

  it('is told whole to who comes back from the message before it', () => {
    const stream = follower({ after: 6, open: thinkingAt(5), shown: { stream: 'output', offset: 5 } });
    expect(both('Hello', 'hm')(stream)).toEqual(['~0+hm']);
  });

  it('is not told in deltas when it ends before the part of the message that precedes it has arrived', () => {
    const stream = follower({ after: 4 });
    stream.accept(started(5));
    stream.accept(entry(6, 'reason.thinking.started', { output_offset: 5 }));
    stream.caughtUp();
    expect(both('Hel', 'hm')(stream)).toEqual(['0+Hel']);
    expect(frames(stream.accept(entry(7, 'reason.thinking.completed', { thinking: 'hm' })))).toEqual(['reason.thinking.completed']);
  });

  it('is not told twice to who comes back from its end before the event that ends it, although that is a place in the message', () => {
    const first = follower({ after: 6, open: thinkingAt(5), shown: { stream: 'output', offset: 2, tag: messageTag(MESSAGE, 1) } });
    const [rest] = first.accept(entry(7, 'reason.thinking.completed', { thinking: 'hm' }));
    const cursor = parseEventId(parseFrames([rest as Buffer])[0]?.data['id'] as string);
    if (cursor?.kind !== 'ephemeral') throw new Error('A delta has an ephemeral id.');
    expect(cursor).toMatchObject({ sequence: 6, stream: 'output', offset: 2 });
    const shown = { stream: cursor.stream, offset: cursor.offset, tag: cursor.messageTag };
    const second = follower({ after: 6, open: thinkingAt(5), shown });
    expect(both('Hello', 'hm')(second)).toEqual([]);
    expect(frames(second.accept(entry(7, 'reason.thinking.completed', { thinking: 'hm' })))).toEqual(['reason.thinking.completed']);
    expect(both('Hello', '')(second)).toEqual(['2+llo']);
  });

  it('ends with all of its text, as a place in the message, when the client has been here before and the message is not known here', () => {
    const stream = follower({ after: 6, open: thinkingAt(5) });
    const end = stream.accept(entry(7, 'reason.thinking.completed', { thinking: 'hm' }));
    expect(frames(end)).toEqual(['~0+hm', 'reason.thinking.completed']);
    expect(parseEventId(parseFrames(end)[0]?.data['id'] as string)).toMatchObject({ sequence: 6, stream: 'output', offset: 0 });
    const newcomer = follower({ after: 6, open: thinkingAt(5), resumed: false });
    expect(frames(newcomer.accept(entry(7, 'reason.thinking.completed', { thinking: 'hm' })))).toEqual(['reason.thinking.completed']);
  });
});

it('R4: refuses an event that does not follow the last one', () => {
  const stream = follower({ after: 3 });
  expect(() => stream.accept(entry(5, 'turn.started'))).toThrow('does not follow');
});

it('R4: gives streams that have been served the same the very same frame', () => {
  const text = live('abc', 1);
  const [one, two] = [follower(), follower()].map((stream) => {
    stream.accept(started(1));
    return follow(stream, text);
  });
  expect(one).toBe(two);
});
