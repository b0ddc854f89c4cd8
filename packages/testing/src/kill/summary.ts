import { percentile } from './histogram.ts';
import type { RunResult } from './run.ts';
import type { Phase, Point, Victim } from './victims.ts';

/** Runs added up. */
export interface Totals {
  runs: number;
  violations: number;
  lost: number;
  doubled: number;
  /** Model and tool calls that were made again because nobody could know their outcome: allowed, and paid for. */
  repeated: number;
  progressP50Ms: number | null;
  progressP99Ms: number | null;
}

/** Runs of one scenario, victim and phase. */
export interface Row extends Totals {
  scenario: string;
  kind: Point['kind'];
  victim: Victim;
  phase: Phase;
}

export interface VictimRow extends Totals {
  victim: Victim;
}

/** How many commits and calls of each label a scenario makes. */
export interface ScenarioCounts {
  commits: Record<string, number>;
  calls: Record<string, number>;
}

export function countsOf(points: readonly Point[]): ScenarioCounts {
  return { commits: countLabels(points, 'commit'), calls: countLabels(points, 'call') };
}

/** In alphabetical order, so that the same points always read the same. */
function countLabels(points: readonly Point[], kind: Point['kind']): Record<string, number> {
  const labels = points.filter((point) => point.kind === kind).map((point) => point.label);
  const distinct = [...new Set(labels)].sort((a, b) => a.localeCompare(b));
  return Object.fromEntries(distinct.map((label) => [label, labels.filter((other) => other === label).length]));
}

export function totalOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

export interface OutsideCalls {
  model: number;
  effects: number;
}

export function outsideCalls({ record }: RunResult): OutsideCalls {
  return { model: record.modelCalls.length, effects: record.effects.length };
}

/** What each scenario calls without harm. */
export type Undisturbed = ReadonlyMap<string, OutsideCalls>;

type Shot = NonNullable<RunResult['shot']>;

/** Adds up results by scenario, point, victim and phase, in the order in which these first came. */
export function summarize(results: readonly RunResult[], undisturbed: Undisturbed): Row[] {
  const groups = groupBy(results, ({ scenario }, { point, victim, phase }) => [scenario, point.kind, victim, phase].join(' '));
  return groups.map(({ group, shot }) => {
    const { scenario } = group[0] as RunResult;
    return { scenario, kind: shot.point.kind, victim: shot.victim, phase: shot.phase, ...totalsOf(group, undisturbed) };
  });
}

export function summarizeVictims(results: readonly RunResult[], undisturbed: Undisturbed): VictimRow[] {
  return groupBy(results, (_, { victim }) => victim).map(({ group, shot }) => ({ victim: shot.victim, ...totalsOf(group, undisturbed) }));
}

function groupBy(results: readonly RunResult[], keyOf: (result: RunResult, shot: Shot) => string): { group: RunResult[]; shot: Shot }[] {
  const groups = new Map<string, { group: RunResult[]; shot: Shot }>();
  for (const result of results) {
    if (result.shot === null) continue;
    const key = keyOf(result, result.shot);
    const found = groups.get(key);
    if (found === undefined) groups.set(key, { group: [result], shot: result.shot });
    else found.group.push(result);
  }
  return [...groups.values()];
}

function totalsOf(group: readonly RunResult[], undisturbed: Undisturbed): Totals {
  const total = (of: (result: RunResult) => number): number => group.reduce((sum, result) => sum + of(result), 0);
  const progressMs = group.flatMap((result) => result.progressMs ?? []);
  return {
    runs: group.length,
    violations: group.filter((result) => result.violations.length > 0).length,
    lost: total((result) => result.lost),
    doubled: total((result) => result.doubled),
    repeated: total((result) => repeatedCalls(result, undisturbed.get(result.scenario))),
    progressP50Ms: percentile(progressMs, 0.5),
    progressP99Ms: percentile(progressMs, 0.99),
  };
}

function repeatedCalls(result: RunResult, base: OutsideCalls = { model: 0, effects: 0 }): number {
  const made = outsideCalls(result);
  return Math.max(0, made.model - base.model) + Math.max(0, made.effects - base.effects);
}
