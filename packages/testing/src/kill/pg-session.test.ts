import { describe, expect, it } from 'vitest';
import { MessageReader, encodeMessage, encodeParse, encodeQuery, parseStatement } from './pg-protocol.ts';
import { ClientSession } from './pg-session.ts';
import type { PgMessage } from './pg-protocol.ts';
import type { Unit } from './pg-session.ts';

const SYNC = encodeMessage('S', Buffer.alloc(0));

function parse(name: string, text: string): Buffer {
  return encodeParse({ name, text, tail: Buffer.from([0, 0]) });
}

function run(name: string): Buffer {
  const bind = encodeMessage('B', Buffer.concat([Buffer.from(`\0${name}\0`), Buffer.alloc(6)]));
  return Buffer.concat([bind, encodeMessage('E', Buffer.from([0, 0, 0, 0, 0])), SYNC]);
}

function messagesOf(bytes: Buffer, chunkBytes = bytes.length): PgMessage[] {
  const reader = new MessageReader();
  const out: PgMessage[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    reader.push(bytes.subarray(at, at + chunkBytes));
    for (let message = reader.next(); message !== null; message = reader.next()) out.push(message);
  }
  return out;
}

function unitsOf(bytes: Buffer, session = new ClientSession()): Unit[] {
  return messagesOf(bytes)
    .map((message) => session.accept(message))
    .filter((unit) => unit !== null);
}

const namesOf = (unit: Unit | undefined): string[] | undefined => unit?.commits?.map((statement) => statement.name || statement.text);

describe('MessageReader', () => {
  it('gives the same messages whatever the chunks are', () => {
    const bytes = Buffer.concat([parse('a', 'insert into t values ($1)'), run('a'), encodeQuery('commit')]);
    const whole = messagesOf(bytes).map((message) => message.tag);
    expect(whole.join('')).toBe('PBESQ');
    for (const size of [1, 2, 3, 7, 64]) expect(messagesOf(bytes, size).map((message) => message.tag)).toEqual(whole);
  });

  it('reads a start-up packet and keeps what follows it', () => {
    const reader = new MessageReader();
    const packet = Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0]);
    reader.push(packet.subarray(0, 6));
    expect(reader.startup()).toBeNull();
    reader.push(Buffer.concat([packet.subarray(6), encodeQuery('select 1')]));
    expect(reader.startup()).toMatchObject({ code: 196608 });
    expect(reader.next()?.tag).toBe('Q');
  });

  it('writes a changed statement text so that it reads back', () => {
    const [message] = messagesOf(parse('claim', 'select 1'));
    const parsed = parseStatement(message as PgMessage);
    const again = parseStatement(messagesOf(encodeParse({ ...parsed, text: 'select 2' }))[0] as PgMessage);
    expect(again).toMatchObject({ name: 'claim', text: 'select 2' });
  });
});

describe('ClientSession', () => {
  it('sees a single writing statement as a commit, named by its prepared statement', () => {
    const units = unitsOf(Buffer.concat([parse('accept', 'with e as (insert into t select 1) select 1'), run('accept'), run('accept')]));
    expect(units.map(namesOf)).toEqual([['accept'], ['accept']]);
  });

  it('sees no commit in reads, in locks and in a transaction that wrote nothing', () => {
    const units = unitsOf(
      Buffer.concat([encodeQuery('select 1'), encodeQuery('begin'), encodeQuery('select 1 from t for update'), encodeQuery('commit')]),
    );
    expect(units.map(namesOf)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('sees the writes of a transaction at its commit, however it is pipelined', () => {
    const bytes = Buffer.concat([
      encodeQuery('begin'),
      parse('lock', 'select 1 from t for update'),
      run('lock'),
      parse('act', 'update t set x = 1'),
      run('act'),
      encodeQuery('commit'),
    ]);
    expect(unitsOf(bytes).map(namesOf)).toEqual([undefined, undefined, undefined, ['act']]);
  });

  it('forgets what was rolled back', () => {
    const bytes = Buffer.concat(['begin', 'delete from t', 'rollback', 'begin', 'select 1', 'commit'].map(encodeQuery));
    expect(unitsOf(bytes).map(namesOf).flat()).toEqual([undefined, undefined, undefined, undefined, undefined, undefined]);
  });

  it('takes several executes before one sync as one transaction', () => {
    const twice = Buffer.concat([parse('w', 'delete from t'), run('w').subarray(0, -SYNC.length), run('w')]);
    expect(unitsOf(twice).map(namesOf)).toEqual([['w', 'w']]);
  });
});
