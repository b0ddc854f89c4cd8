/**
 * `npm run mutants`: plants one fault after the other and shows that the checker of the kill table notices each. A checker that cannot fail proves
 * nothing. `-- --only seen-not-checked` plays one.
 */
import { parseArgs } from 'node:util';
import { MUTANTS, plant } from './kill/mutants.ts';
import { openStage } from './kill/stage.ts';
import { stagesOf } from './kill/stages.ts';
import { fire, survey } from './kill/table.ts';
import { playScenario } from './kill/run.ts';
import type { Violation } from './kill/check.ts';
import type { Mutant } from './kill/mutants.ts';
import type { Stage } from './kill/stage.ts';
import type { Shot } from './kill/victims.ts';

/** A mutant may need a race: it is given this many runs to show itself. */
const TRIES = 5;
const TURN_WITHIN_MS = 12_000;

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const chosen = MUTANTS.filter((mutant) => values.only === undefined || mutant.id === values.only);
let survivors = 0;
for (const mutant of chosen) {
  const found = await hunt(mutant);
  if (found === null) survivors++;
  say(`${found === null ? 'SURVIVED' : 'killed  '}  ${mutant.id}: ${mutant.fault}`);
  for (const { promise, detail } of found?.slice(0, 3) ?? []) say(`            ${promise}: ${detail.slice(0, 160)}`);
}
say(`${chosen.length - survivors} of ${chosen.length} planted faults were noticed.`);
process.exit(survivors > 0 ? 1 : 0);

/** The violations that give the mutant away, or null. The same way is played without the fault first: there it must be right. */
async function hunt(mutant: Mutant): Promise<Violation[] | null> {
  const shot = await control(mutant);
  const planted = plant(mutant);
  const stage = await openStage({ turnWithinMs: TURN_WITHIN_MS, databaseHooks: { rewrite: planted.rewrite } });
  try {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const result = await playScenario(stage, mutant.scenario, shot);
      if (result.violations.length > 0) return result.violations;
    }
    if (!planted.applied()) throw new Error(`${mutant.id}: no statement ${mutant.statements} has what is to be changed.`);
    return null;
  } finally {
    await stage.stop();
  }
}

async function control(mutant: Mutant): Promise<Shot | null> {
  const stage = await openStage();
  try {
    return await play(stage, mutant);
  } finally {
    await stage.stop();
  }
}

async function play(stage: Stage, { id, scenario, shot: wanted }: Mutant): Promise<Shot | null> {
  const { shots } = await survey(stagesOf(stage), [scenario]);
  const entry = wanted === null ? undefined : shots.find(({ shot }) => wanted(shot));
  if (wanted !== null && entry === undefined) throw new Error(`${id}: no point of ${scenario.name} is the one that it needs.`);
  if (entry === undefined) return null;
  const result = await fire(stagesOf(stage), entry);
  if (result === null || result.violations.length > 0)
    throw new Error(`${id}: the way is wrong without the fault: ${JSON.stringify(result?.violations)}`);
  return entry.shot;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
