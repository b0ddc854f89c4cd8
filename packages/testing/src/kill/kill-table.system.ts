import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { countsInReport } from './report.ts';
import { sample, seedOf, seededRandom } from './sampling.ts';
import { openStages } from './stages.ts';
import { fire, playTakeovers, survey } from './table.ts';
import type { Stages } from './stages.ts';
import type { Survey } from './table.ts';

/** A part of the table that changes with each commit, so that over time all of it is played. */
const SAMPLE_WITHIN_MS = 35_000;
const TAKEOVERS = 3;
/** Under the bound of a silent worker, above which no process loss may take. */
const TAKEOVER_MS = 4_300;

let stages: Stages;
let surveyed: Survey;
const seed = seedOf(commit());
const random = seededRandom(seed);

beforeAll(async () => {
  stages = openStages({ keepsAll: true });
  surveyed = await survey(stages);
});

afterAll(() => stages.stop());

/** Without a repository there is one sample for ever. */
function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'no repository';
  }
}

test('docs/reliability.md counts the commits and outbound calls that the code makes', async () => {
  const report = await readFile(new URL('../../../../docs/reliability.md', import.meta.url), 'utf8');
  expect(countsInReport(report), 'run `npm run kill-table` to write it anew').toEqual(surveyed.counts);
});

test('a sample of kills at commits and calls leaves nothing lost, doubled or stuck', { timeout: 180_000 }, async () => {
  const deadline = performance.now() + SAMPLE_WITHIN_MS;
  const wrong: unknown[] = [];
  let played = 0;
  for (const entry of sample(surveyed.shots, surveyed.shots.length, random)) {
    if (performance.now() > deadline) break;
    const result = await fire(stages, entry);
    played++;
    if (result === null || result.violations.length > 0)
      wrong.push({ shot: entry.shot, scenario: entry.scenario.name, violations: result?.violations ?? 'never reached' });
  }
  console.log(`${played} of ${surveyed.shots.length} kills played; npm run kill-table -- --sample ${played} --seed ${seed} repeats them.`);
  expect(wrong).toEqual([]);
});

test('another worker goes on with the turn of a killed one', { timeout: 120_000 }, async () => {
  const { progressMs, results } = await playTakeovers(await stages.of({}), TAKEOVERS, { random });
  expect(results.flatMap((result) => result.violations)).toEqual([]);
  expect(Math.max(...progressMs)).toBeLessThan(TAKEOVER_MS);
});
