import { decisionPairs } from '@everruns/engine/turn/causes';
import { FAULTS } from './faults.ts';
import type { Fault } from './faults.ts';
import { simulate } from './simulate.ts';
import type { SimulationOptions, SimulationResult } from './simulate.ts';

/** What many schedules together showed. */
export interface Survey {
  schedules: number;
  violations: { seed: number; violation: string }[];
  counts: Map<string, number>;
  /** In how many schedules each decision was taken. */
  decisions: Map<string, number>;
  virtualMs: number;
}

export interface SurveyOptions extends Omit<SimulationOptions, 'seed' | 'trace'> {
  from: number;
  schedules: number;
  /** Stops at the first schedule that breaks a rule. */
  stopAtFirst?: boolean;
  onSchedule?: (result: SimulationResult, n: number) => void;
}

export function survey(options: SurveyOptions): Survey {
  const { from, schedules, stopAtFirst = false, onSchedule, ...rest } = options;
  const total: Survey = { schedules: 0, violations: [], counts: new Map(), decisions: new Map(), virtualMs: 0 };
  for (let n = 0; n < schedules; n++) {
    const result = simulate({ ...rest, seed: from + n });
    total.schedules++;
    total.virtualMs += result.virtualMs;
    for (const [what, times] of result.counts) add(total.counts, what, times);
    for (const decision of result.decisions) add(total.decisions, decision, 1);
    if (result.violation !== null) total.violations.push({ seed: result.seed, violation: result.violation });
    onSchedule?.(result, n + 1);
    if (stopAtFirst && total.violations.length > 0) break;
  }
  return total;
}

function add(counts: Map<string, number>, what: string, times: number): void {
  counts.set(what, (counts.get(what) ?? 0) + times);
}

export interface FoundFault {
  fault: Fault;
  /** Schedules that were tried, the one that shows it included. */
  schedules: number;
  found: Survey['violations'][number] | null;
}

/** How many schedules it takes to see a planted fault; null when none of them shows it. */
export function findFault(fault: Fault, options: Omit<SurveyOptions, 'faults' | 'stopAtFirst'>): FoundFault {
  const { schedules, violations } = survey({ ...options, faults: [fault], stopAtFirst: true });
  return { fault, schedules, found: violations[0] ?? null };
}

/** One line per decision: in how many schedules it was taken. */
export function coverageTable(decisions: ReadonlyMap<string, number>): string[] {
  const pairs = decisionPairs();
  const reached = pairs.filter((pair) => decisions.has(pair));
  const lines = pairs.map((pair) => `${String(decisions.get(pair) ?? 0).padStart(8)}  ${pair}`);
  return [`Decisions of the turn, by the number of schedules that took them: ${reached.length} of ${pairs.length}`, ...lines];
}

export function countsTable(counts: ReadonlyMap<string, number>): string[] {
  const lines = [...counts].toSorted(([a], [b]) => a.localeCompare(b)).map(([what, times]) => `${String(times).padStart(8)}  ${what}`);
  return ['What happened in them', ...lines];
}

export function isFault(name: string): name is Fault {
  return (FAULTS as readonly string[]).includes(name);
}
