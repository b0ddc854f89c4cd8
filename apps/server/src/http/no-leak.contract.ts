import { createIdSource } from '@everruns/contract';
import { askForReset } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashOf } from '../identity/token-text.ts';
import { PASSWORD } from './testing/test-identity.ts';
import { testApp } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

/** Nobody learns from an answer whether there is an account: neither by what it says nor by how long it takes. */

const ids = createIdSource();
/** Medians of so many; `npm run bench logins` compares 200 with the real cost of passwords, to a tenth. */
const SAMPLES = 25;
const COARSE = { ratio: 1.6, ms: 4 };

let app: TestApp;
let known: string;
let spent: string;
let count = 0;

beforeAll(async () => {
  app = await testApp({ auth: 'full' });
  known = (await app.person()).email;
  const id = ids.next();
  spent = app.identity.mailTokens('reset', id);
  await askForReset(app.db, { id, mailId: ids.next(), email: known, hash: hashOf(spent), lifetimeSecs: 0 });
});
afterAll(() => app.close());

const unknown = (): string => `nobody${++count}@example.com`;
const post = (path: string, body: unknown): Promise<Answer> => app.call('POST', `/v1/auth/${path}`, body);

interface Pair {
  existing: () => Promise<Answer>;
  missing: () => Promise<Answer>;
}

const PAIRS: Record<string, Pair> = {
  login: pair((email) => post('login', { email, password: 'a wrong password 1' })),
  register: pair((email) => post('register', { email, password: PASSWORD, name: 'Somebody' })),
  'forgot-password': pair((email) => post('forgot-password', { email })),
  'resend-verification': pair((email) => post('resend-verification', { email })),
  'verify-email': tokens((token) => post('verify-email', { token })),
  'reset-password': tokens((token) => post('reset-password', { token, password: PASSWORD })),
};

function pair(ask: (email: string) => Promise<Answer>): Pair {
  return { existing: () => ask(known), missing: () => ask(unknown()) };
}

/** A token of an account that has run out, and one that never was. */
function tokens(ask: (token: string) => Promise<Answer>): Pair {
  return { existing: () => ask(spent), missing: () => ask('0'.repeat(64)) };
}

/** What differs with each request, and limits that count the one who asks. */
const PASSING = /^(date|x-request-id|ratelimit-.*)$/;
function visible({ status, headers, text }: Answer): unknown {
  return { status, text, headers: [...headers].filter(([name]) => !PASSING.test(name)) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function timed(ask: () => Promise<Answer>): Promise<number> {
  const startedMs = performance.now();
  await ask();
  return performance.now() - startedMs;
}

describe.each(Object.entries(PAIRS))('%s', (_name, { existing, missing }) => {
  test('answers the same for an account that is there and for one that is not', async () => {
    expect(visible(await existing())).toEqual(visible(await missing()));
  });

  test('takes about as long', async () => {
    const [there, gone]: [number[], number[]] = [[], []];
    for (let n = 0; n < SAMPLES; n++) {
      there.push(await timed(existing));
      gone.push(await timed(missing));
    }
    const [a, b] = [median(there), median(gone)];
    expect(Math.abs(a - b) < COARSE.ms || Math.max(a, b) / Math.min(a, b) < COARSE.ratio, `${a.toFixed(2)} ms and ${b.toFixed(2)} ms`).toBe(
      true,
    );
  });
});

test('a request for a mail costs the same statements, whoever is asked about', async () => {
  const seen: string[] = [];
  const run = app.db.run.bind(app.db);
  await app.identity.outbox?.stop();
  app.db.run = ((statement, values) => {
    seen.push(statement.name);
    return run(statement, values);
  }) as typeof run;
  for (const name of ['register', 'forgot-password', 'resend-verification']) {
    const { existing, missing } = PAIRS[name] as Pair;
    await existing();
    const ofExisting = seen.splice(0);
    await missing();
    expect([name, seen.splice(0)]).toEqual([name, ofExisting]);
  }
  app.db.run = run;
});
