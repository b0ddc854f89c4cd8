import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** The threat model says what it claims in a form that can be checked: every threat of the list is answered, and every proof is a test. */

const ROOT = new URL('../', import.meta.url);

/** The threats to be answered, `TM-AREA-number`; our own come after them. */
const LIST: Readonly<Record<string, readonly (number | string | [from: number, to: number])[]>> = {
  AUTH: [[1, 32]],
  CRYPTO: [[1, 9]],
  TENANT: [[1, 15]],
  AUTHZ: [[1, 19]],
  API: [[1, 25], '021b', '022b'],
  FS: [[1, 18], 20],
  SQL: [[1, 11]],
  TOOL: [[1, 47]],
  MCP: [[1, 8]],
  LLM: [
    [1, 9],
    [20, 40],
  ],
  DURABLE: [[1, 11]],
  SCHED: [[1, 6]],
  OBS: [[1, 12]],
  WEB: [[1, 18], 'A2UI-01'],
  AGENT: [[1, 28]],
  VOICE: [[1, 7]],
  BASH: [[1, 27]],
  LUA: [[1, 9]],
  DOS: [[1, 9], '010a', '010b', [11, 24], '025a', '025b', [26, 42]],
  CLIENT: [[1, 4]],
  SLACK: [[1, 5]],
  A2A: [[1, 14]],
  FCP: [[1, 12]],
  APIKEY: [[1, 6]],
  HOOK: [[1, 6]],
  PLUGIN: [[1, 10]],
  DAYTONA: [[1, 10]],
  DENO: [[1, 4]],
  E2B: [[1, 5]],
  CURSOR: [[1, 7]],
  GITHUB: [[1, 4]],
  SANDBOX: [[1, 11]],
  CI: [[1, 9]],
  AGENTKEY: [1, 7],
};

function listed(): string[] {
  return Object.entries(LIST).flatMap(([area, numbers]) =>
    numbers.flatMap((one) => {
      const [from, to] = Array.isArray(one) ? one : [one, one];
      if (typeof from === 'string' || typeof to === 'string') return [`TM-${area}-${from}`];
      return Array.from({ length: to - from + 1 }, (_, n) => `TM-${area}-${String(from + n).padStart(3, '0')}`);
    }),
  );
}

interface Proof {
  file: string;
  title: string;
}

interface Row {
  ids: string[];
  answer: string;
  reason: string;
  proofs: Proof[];
}

function rowsOf(text: string): Row[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| TM-'))
    .map((line) => {
      const [, ids = '', , answer = '', rest = ''] = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
      const [reason = '', ...proofs] = rest.split('<br>');
      return { ids: ids.split(', '), answer, reason, proofs: proofs.map(proofOf) };
    });
}

function proofOf(text: string): Proof {
  const [, file = text, title = ''] = /^`([^`]+)`: (.+)$/.exec(text) ?? [];
  return { file, title };
}

/** What is wrong with a proof, or null. */
function problemOf({ file, title }: Proof): string | null {
  const url = new URL(file, ROOT);
  if (!/\.(test|contract|system)\.ts$/.test(file) || !existsSync(url)) return `${file}: there is no such file of tests`;
  const source = readFileSync(url, 'utf8');
  const literals = [`'${title.replaceAll("'", "\\'")}'`, `"${title}"`, `\`${title.replaceAll('`', '\\`')}\``];
  if (!literals.some((literal) => source.includes(literal))) return `${file}: there is no test "${title}"`;
  return /\b(test|it|describe)\.(skip|skipIf|runIf|todo|only)\b/.test(source) ? `${file}: tests are left out` : null;
}

const rows = rowsOf(readFileSync(new URL('specs/threat-model.md', ROOT), 'utf8'));

test('every threat of the list is answered, each once', () => {
  const answered = rows.flatMap(({ ids }) => ids);
  expect(listed().filter((id) => !answered.includes(id))).toEqual([]);
  expect(answered.filter((id, index) => answered.indexOf(id) !== index)).toEqual([]);
  expect(answered.filter((id) => !/^TM-[A-Z0-9]+-(\d{3}[ab]?|A2UI-01)$/.test(id))).toEqual([]);
});

test('an answer has a reason, and what is mitigated has a proof', () => {
  const wrong = rows.filter(({ answer, reason, proofs }) => {
    if (answer === 'mitigated') return proofs.length === 0;
    return !['accepted', 'not applicable'].includes(answer) || reason.length < 10;
  });
  expect(wrong).toEqual([]);
});

test('every proof is a test that exists and runs', () => {
  const problems = rows.flatMap(({ ids, proofs }) =>
    proofs.map(problemOf).flatMap((problem) => (problem === null ? [] : [`${ids.join(', ')}: ${problem}`])),
  );
  expect(problems).toEqual([]);
});

test('a proof that is none is found', () => {
  expect(problemOf({ file: 'scripts/threat-model.test.ts', title: 'every threat of the list is answered, each once' })).toBeNull();
  expect(problemOf({ file: 'scripts/threat-model.test.ts', title: ['no', 'test'].join(' ') })).toMatch(/there is no test/);
  expect(problemOf({ file: 'scripts/nothing.test.ts', title: 'x' })).toMatch(/no such file/);
});
