import { describe, expect, it } from 'vitest';
import { parseCommand, USAGE } from './command.ts';
import { FAULTS } from './faults.ts';

describe('the command line', () => {
  it('asks for 10,000 schedules from seed 1 when it says nothing', () => {
    expect(parseCommand([])).toEqual({
      what: 'survey',
      seed: 0,
      from: 1,
      schedules: 10_000,
      faults: [],
      isolation: 'read committed',
    });
  });

  it('names a seed, a range, faults and the store', () => {
    expect(parseCommand(['--seed', '7', '--fault', 'guards_in_a_chain'])).toMatchObject({
      what: 'replay',
      seed: 7,
      faults: ['guards_in_a_chain'],
    });
    expect(parseCommand(['--seeds', '500', '--from', '9'])).toMatchObject({ what: 'survey', from: 9, schedules: 500 });
    expect(parseCommand(['--faults', '--serializable'])).toMatchObject({ what: 'faults', isolation: 'serializable' });
    expect(parseCommand(['--help'])).toMatchObject({ what: 'help' });
  });

  it.each([
    [['--sedes', '5'], /^Unknown option '--sedes'\. Try --help\.$/],
    [['5'], /^Unexpected argument '5'\. Try --help\.$/],
    [['--seeds', 'many'], /^--seeds needs a whole number of at least 1, not "many"\. Try --help\.$/],
    [['--seed', ''], /^--seed needs a whole number/],
    [['--seeds'], /^Option '--seeds.*Try --help\.$/],
    [['--fault', 'none'], /^There is no fault "none"\. Try --help\.$/],
  ])('refuses %j with one line', (args, line) => {
    expect(() => parseCommand(args)).toThrow(line);
  });

  it('explains itself, faults included', () => {
    for (const fault of FAULTS) expect(USAGE).toContain(fault);
  });
});
