/**
 * `npm run kill-table`: plays every scenario once for each of its commits and outbound calls, with something killed there, and writes
 * `docs/reliability.md`. `-- --sample 40 --seed 7` plays a part of it and writes nothing; `--scenario tools` limits it; `--takeovers n` sets the
 * kills for the takeover time, `--lanes n` how many clusters play side by side.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { histogram, percentile } from './kill/histogram.ts';
import { BUCKET_MS, renderReport } from './kill/report.ts';
import { sample, seededRandom } from './kill/sampling.ts';
import { SCENARIOS } from './kill/scenarios.ts';
import { openStages } from './kill/stages.ts';
import { summarize, summarizeVictims, totalOf } from './kill/summary.ts';
import { fire, playTakeovers, survey } from './kill/table.ts';
import type { RunResult } from './kill/run.ts';
import type { Stages } from './kill/stages.ts';
import type { Survey, Takeovers } from './kill/table.ts';

const REPORT = new URL('../../../docs/reliability.md', import.meta.url);
const EVIDENCE = new URL('../../../.cache/kill-table/', import.meta.url);
const TAKEOVERS = 200;
/** Much of a run is waiting for a process to come back: three of them at a time fill two cores. */
const LANES = 3;
/** From the kill of a worker to the next durable event. */
const TAKEOVER_MS = { p50: 600, p99: 2_000 };

const { values } = parseArgs({
  options: {
    sample: { type: 'string' },
    seed: { type: 'string' },
    scenario: { type: 'string' },
    takeovers: { type: 'string' },
    lanes: { type: 'string' },
  },
});
const started = performance.now();
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const random = seededRandom(seed);
const scenarios = values.scenario === undefined ? SCENARIOS : SCENARIOS.filter((scenario) => scenario.name === values.scenario);
const partial = values.sample !== undefined || values.scenario !== undefined;
const kills = Number(values.takeovers ?? (partial ? 0 : TAKEOVERS));

const lanes = Array.from({ length: Number(values.lanes ?? LANES) }, () => openStages({ keepsAll: false }));
const [firstLane] = lanes as [Stages, ...Stages[]];

say(`Seed ${seed}, ${lanes.length} clusters side by side. Starting PostgreSQL, servers and workers ...`);
let failed = true;
try {
  failed = await main();
} finally {
  await Promise.all(lanes.map((lane) => lane.stop()));
}
process.exit(failed ? 1 : 0);

async function main(): Promise<boolean> {
  const surveyed = await survey(firstLane, scenarios);
  for (const [name, { commits, calls }] of Object.entries(surveyed.counts))
    say(`${name}: ${totalOf(commits)} commits, ${totalOf(calls)} outbound calls`);
  const shots = values.sample === undefined ? surveyed.shots : sample(surveyed.shots, Number(values.sample), random);
  const results = await playAll(shots);
  let killed = 0;
  const onKill = (result: RunResult): void => {
    noteViolations(result, 'takeover');
    if (++killed % 20 === 0) say(`${killed} workers killed in mid-turn`);
  };
  // Times are measured on a machine that does nothing else.
  await Promise.all(lanes.map((lane) => lane.stop()));
  const takeovers = kills === 0 ? { progressMs: [], results: [] } : await playTakeovers(await firstLane.of({}), kills, { random, onKill });
  const broken = [...results, ...takeovers.results].filter((result) => result.violations.length > 0).length;
  say(
    `${results.length} runs of ${shots.length} and ${takeovers.results.length} takeovers, ${broken} with violations, in ${Math.round((performance.now() - started) / 1000)} s.`,
  );
  const isSlow = sayTakeovers(takeovers.progressMs);
  if (!partial) writeReport(surveyed, results, takeovers);
  return broken > 0 || results.length < shots.length || isSlow;
}

/** True when they took longer than they may. */
function sayTakeovers(progressMs: readonly number[]): boolean {
  const [p50, p99] = [percentile(progressMs, 0.5), percentile(progressMs, 0.99)];
  if (p50 === null || p99 === null) return false;
  for (const line of histogram(progressMs, BUCKET_MS)) say(line);
  const isSlow = p50 >= TAKEOVER_MS.p50 || p99 >= TAKEOVER_MS.p99;
  say(`Takeover p50 ${p50} ms, p99 ${p99} ms${isSlow ? `: TOO SLOW, allowed are ${TAKEOVER_MS.p50} and ${TAKEOVER_MS.p99} ms` : ''}.`);
  return isSlow;
}

/** Results in the order of the table, whichever lane they were played in. */
async function playAll(shots: Survey['shots']): Promise<RunResult[]> {
  const results: (RunResult | null)[] = [];
  // A lane has one cluster at a time, so what needs the same one stands together.
  const inOrder = shots.toSorted((a, b) => (a.scenario.servers ?? 1) - (b.scenario.servers ?? 1));
  const left = [...inOrder.entries()];
  const play = async (lane: Stages): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, entry] = next;
      results[index] = await playOne(lane, entry, `${index + 1}/${shots.length}`);
    }
  };
  await Promise.all(lanes.map(play));
  return results.filter((result) => result !== null);
}

async function playOne(lane: Stages, entry: Survey['shots'][number], at: string): Promise<RunResult | null> {
  const { point, victim, phase } = entry.shot;
  const name = `${entry.scenario.name}: ${victim} ${phase} ${point.label} ${point.n}`;
  const result = await fire(lane, entry);
  if (result === null) say(`${at} ${name}: the point was never reached`);
  else say(`${at} ${name}: ${noteViolations(result, name) ? 'VIOLATED' : 'ok'}, progress ${result.progressMs ?? '-'} ms`);
  return result;
}

/** Keeps everything about a run that went wrong. */
function noteViolations(result: RunResult, name: string): boolean {
  if (result.violations.length === 0) return false;
  mkdirSync(EVIDENCE, { recursive: true });
  const file = `${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${Date.now()}.json`;
  writeFileSync(new URL(file, EVIDENCE), JSON.stringify(result, null, 2));
  for (const { promise, detail } of result.violations) say(`  ${promise}: ${detail}`);
  return true;
}

function writeReport({ counts, undisturbed }: Survey, results: RunResult[], takeovers: Takeovers): void {
  const report = renderReport({
    scenarios: SCENARIOS,
    counts,
    rows: summarize(results, undisturbed),
    victims: summarizeVictims(results, undisturbed),
    takeoverMs: takeovers.progressMs,
    takeoverViolations: takeovers.results.filter((result) => result.violations.length > 0).length,
    environment: `One server, or two where it says so, two workers, PostgreSQL 17, Node ${process.versions.node}, ${availableParallelism()} cores; seed ${seed}.`,
  });
  writeFileSync(REPORT, report);
  say('Written: docs/reliability.md');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
