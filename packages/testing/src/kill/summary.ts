import { percentile } from './histogram.ts';
import type { RunResult } from './run.ts';
import type { Phase, Point, Victim } from './victims.ts';

/** Runs of one scenario, victim and phase, added up. */
export interface Row {
  scenario: string;
  kind: Point['kind'];
  victim: Victim;
  phase: Phase;
  runs: number;
  violations: number;
  lost: number;
  doubled: number;
  /** Model and tool calls that were made again because nobody could know their outcome: allowed, and paid for. */
  repeated: number;
  progressP50Ms: number | null;
  progressP99Ms: number | null;
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

/** Adds up results in the order in which their combinations first came. `undisturbed` is what each scenario calls without harm. */
export function summarize(results: readonly RunResult[], undisturbed: ReadonlyMap<string, OutsideCalls>): Row[] {
  const groups = new Map<string, RunResult[]>();
  for (const result of results) {
    if (result.shot === null) continue;
    const key = [result.scenario, result.shot.point.kind, result.shot.victim, result.shot.phase].join(' ');
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()].map((group) => rowOf(group, undisturbed));
}

function rowOf(group: readonly RunResult[], undisturbed: ReadonlyMap<string, OutsideCalls>): Row {
  const [first] = group as [RunResult];
  const { shot, scenario } = first;
  if (shot === null) throw new Error('A run without a shot is in no row.');
  const base = undisturbed.get(scenario) ?? { model: 0, effects: 0 };
  const total = (of: (result: RunResult) => number): number => group.reduce((sum, result) => sum + of(result), 0);
  const progressMs = group.flatMap((result) => result.progressMs ?? []);
  return {
    scenario,
    kind: shot.point.kind,
    victim: shot.victim,
    phase: shot.phase,
    runs: group.length,
    violations: group.filter((result) => result.violations.length > 0).length,
    lost: total((result) => result.lost),
    doubled: total((result) => result.doubled),
    repeated: total((result) => {
      const made = outsideCalls(result);
      return Math.max(0, made.model - base.model) + Math.max(0, made.effects - base.effects);
    }),
    progressP50Ms: percentile(progressMs, 0.5),
    progressP99Ms: percentile(progressMs, 0.99),
  };
}
