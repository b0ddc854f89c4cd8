import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { ConnectionError, isTransient, outcomeUnknown, preparedName } from './database.ts';

function refused(code: string): Error {
  return Object.assign(new pg.DatabaseError('refused', 0, 'error'), { code });
}

describe('what may be sent again', () => {
  test.each([
    ['40P01', 'a deadlock'],
    ['40001', 'a serialization failure'],
    ['55P03', 'a lock that was not to be had'],
    ['25P03', 'a transaction that was ended for its silence'],
    ['53300', 'too many connections'],
    ['53100', 'a full disk'],
    ['53200', 'no memory'],
  ])('%s: %s, nothing happened', (code) => {
    expect([isTransient(refused(code)), outcomeUnknown(refused(code))]).toEqual([true, false]);
  });

  test.each(['08006', '08003', '57P01', '57P02', '57P03'])('%s: the outcome is not known', (code) => {
    expect([isTransient(refused(code)), outcomeUnknown(refused(code))]).toEqual([false, true]);
  });

  test('a broken socket: the outcome is not known', () => {
    expect([isTransient(new ConnectionError('reset')), outcomeUnknown(new ConnectionError('reset'))]).toEqual([false, true]);
  });

  test.each(['23505', '22P05', '42601', '57014'])('%s: it would fail again', (code) => {
    expect([isTransient(refused(code)), outcomeUnknown(refused(code))]).toEqual([false, false]);
  });
});

describe('the name of a prepared statement', () => {
  test('is the given one as far as the server keeps it', () => {
    expect(preparedName('claim_tasks')).toBe('claim_tasks');
    expect(preparedName('x'.repeat(63))).toBe('x'.repeat(63));
  });

  test('is shortened beyond that, the same way each time and differently for each name', () => {
    const names = ['a', 'b', 'ab'].map((end) => preparedName('x'.repeat(80) + end));
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name.length).toBeLessThanOrEqual(63);
    expect(preparedName(`${'x'.repeat(80)}a`)).toBe(names[0]);
  });
});
