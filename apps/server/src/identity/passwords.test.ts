import { passwordProblem } from '@everruns/contract';
import { describe, expect, test } from 'vitest';
import { createPasswords } from './passwords.ts';

const CHEAP = { memoryCost: 8, timeCost: 1 };

describe('a password', () => {
  test('is kept as Argon2id with the parameters of the library, salted', async () => {
    const passwords = await createPasswords();
    const [one, two] = [await passwords.hash('correct horse 1'), await passwords.hash('correct horse 1')];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(two);
    for (const kept of [one, two]) expect(await passwords.verify(kept, 'correct horse 1')).toBe(true);
    expect(await passwords.verify(one, 'correct horse 2')).toBe(false);
  });

  test('of nobody is checked against a hash all the same, and is never right', async () => {
    const passwords = await createPasswords(CHEAP);
    for (const password of ['', 'nobody has this password', 'x'.repeat(1_024)]) expect(await passwords.verify(null, password)).toBe(false);
  });

  test('that was kept before the rules is still right', async () => {
    const passwords = await createPasswords(CHEAP);
    expect(await passwords.verify(await passwords.hash('short'), 'short')).toBe(true);
  });
});

test.each([
  ['eleven cha1', /12 to 128/],
  ['twelve chars', /digit/],
  ['twelve char1', null],
  ['1'.repeat(128), null],
  ['1'.repeat(129), /12 to 128/],
  [`${'🔑'.repeat(11)}1`, null],
])('a new password may be %j or not', (password, problem) => {
  const found = passwordProblem(password);
  if (problem === null) expect(found).toBeNull();
  else expect(found).toMatch(problem);
});
