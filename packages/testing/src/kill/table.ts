import { playScenario } from './run.ts';
import { SCENARIOS } from './scenarios.ts';
import { countsOf, outsideCalls } from './summary.ts';
import { playTakeover, turnLengthMs } from './takeover.ts';
import { outagesAt, shotsAt } from './victims.ts';
import type { RunResult } from './run.ts';
import type { Scenario } from './scenarios.ts';
import type { Stage } from './stage.ts';
import type { Stages } from './stages.ts';
import type { OutsideCalls, ScenarioCounts } from './summary.ts';
import type { Shot } from './victims.ts';

/** What undisturbed runs of the scenarios showed: the points of the table. */
export interface Survey {
  counts: Record<string, ScenarioCounts>;
  undisturbed: Map<string, OutsideCalls>;
  /** Every run of the whole table. */
  shots: { scenario: Scenario; shot: Shot }[];
}

/** Two dry runs must cross the wire in the same way; a busy machine, on which pieces arrive together, gets some more. */
const DRY_RUNS = 6;

/** Dry runs of each scenario, until two have taken the same way. All must be right. */
export async function survey(stages: Stages, scenarios: readonly Scenario[] = SCENARIOS): Promise<Survey> {
  const found: Survey = { counts: {}, undisturbed: new Map(), shots: [] };
  for (const scenario of scenarios) {
    const run = await usualRun(await stages.of(scenario), scenario);
    const { points } = run.watched;
    found.counts[scenario.name] = countsOf(points);
    found.undisturbed.set(scenario.name, outsideCalls(run));
    const answered = (shot: Shot): boolean => shot.phase === 'before' || scenario.unanswered?.includes(shot.point.label) !== true;
    found.shots.push(
      ...[...shotsAt(points), ...(scenario.outages === true ? outagesAt(points) : [])]
        .filter((shot) => answered(shot) && isAimedAt(scenario, shot))
        .map((shot) => ({ scenario, shot })),
    );
  }
  return found;
}

function isAimedAt({ servers = 1, victims }: Scenario, { victim }: Shot): boolean {
  return victims === undefined ? servers > 1 || victim !== 'client-server' : victims.includes(victim);
}

async function usualRun(stage: Stage, scenario: Scenario): Promise<RunResult> {
  const ways = new Set<string>();
  for (let n = 0; n < DRY_RUNS; n++) {
    const run = await playScenario(stage, scenario, null);
    if (run.violations.length > 0) throw new Error(`${scenario.name} is wrong without any harm: ${JSON.stringify(run.violations)}`);
    const way = JSON.stringify(countsOf(run.watched.points));
    if (ways.has(way)) return run;
    ways.add(way);
  }
  throw new Error(`${scenario.name} takes another way each time: ${[...ways].join(' and ')}`);
}

/** A run may take a way on which its point does not come (a step that was decided again): it is repeated that often. */
const TRIES = 5;

/** Plays one shot. A run in which its point was never reached is no run of it, and one that breaks down is a violation. */
export async function fire(stages: Stages, { scenario, shot }: Survey['shots'][number]): Promise<RunResult | null> {
  const stage = await stages.of(scenario);
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const result = await playScenario(stage, scenario, shot);
    await stage.cluster.whenReady();
    if (result.watched.harm !== null) return result;
  }
  return null;
}

export interface Takeovers {
  progressMs: number[];
  results: RunResult[];
}

/** Kills spread evenly, by chance, over the length of a turn. */
export async function playTakeovers(
  stage: Stage,
  kills: number,
  options: { random: () => number; onKill?: (result: RunResult) => void },
): Promise<Takeovers> {
  const lengthMs = await turnLengthMs(stage);
  const takeovers: Takeovers = { progressMs: [], results: [] };
  while (takeovers.progressMs.length < kills) {
    const result = await playTakeover(stage, options.random() * lengthMs);
    await stage.cluster.whenReady();
    takeovers.results.push(result);
    // A kill that came after the turn's end took nothing over.
    if (result.progressMs !== null && harmedInTurn(result)) takeovers.progressMs.push(result.progressMs);
    options.onKill?.(result);
  }
  return takeovers;
}

function harmedInTurn({ record }: RunResult): boolean {
  const end = record.log.find((event) => event.type === 'turn.completed');
  return end !== undefined && record.harm !== null && Date.parse(end.ts) > record.harm.at;
}
