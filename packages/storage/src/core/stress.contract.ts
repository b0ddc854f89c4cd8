import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scalar } from './testing/sql.ts';
import { brokenInvariants } from './testing/invariants.ts';
import { seededRandom } from './testing/random.ts';
import { runStress } from './testing/stress/stress.ts';
import type { StressRun } from './testing/stress/stress.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

/** `EVERRUNS_STRESS_SECONDS=300 EVERRUNS_STRESS_SEED=7` for a longer run, or one with the same choices. */
const seconds = Number(process.env['EVERRUNS_STRESS_SECONDS'] ?? 8);
const seed = Number(process.env['EVERRUNS_STRESS_SEED'] ?? Date.now() % 1_000_000);

let world: World;
let run: StressRun;

beforeAll(
  async () => {
    world = await openWorld(await testDatabase(), { poolSize: 24 });
    run = await runStress(world.db, world.player, { durationMs: seconds * 1_000, random: seededRandom(seed) });
    console.log(`stress, seed ${seed}: ${JSON.stringify(run.tally)}`);
  },
  seconds * 1_000 + 60_000,
);

afterAll(() => world.close());

test('no statement fails: no deadlock, no violated constraint, no turn that does not end', () => {
  expect(Object.keys(run.tally).filter((what) => what.startsWith('error'))).toEqual([]);
});

test('everything that can happen has happened', () => {
  const happened = new Set(Object.keys(run.tally));
  const expected = [
    'started',
    'steered',
    'duplicate',
    'waiting',
    'cancelled',
    'abandoned',
    'client answered',
    'claimed reason',
    'claimed tool',
    'given back',
  ];
  const completed = [
    'completed only',
    'completed last',
    'completed steered',
    'repeated',
    'lost',
    'stale lost',
    'stale repeated',
    'vanished',
  ];
  const engine = [
    'reclaimed worker_lost',
    'reclaimed instance_lost',
    'settled unknown',
    'adopted',
    'instance lost',
    'append ok',
    'append repeated',
  ];
  expect([...expected, ...completed, ...engine].filter((what) => !happened.has(what))).toEqual([]);
});

test(
  'what is left behind is in order',
  async () => {
    expect(await brokenInvariants(world.db)).toEqual({});
  },
  seconds * 1_000 + 30_000,
);

test('every acknowledged message is in the log once', async () => {
  const inLog = `select count(*)::int from events where type = 'input.message'`;
  const distinct = `select count(distinct data#>>'{message,id}')::int from events where type = 'input.message'`;
  expect([await scalar(world.db, inLog), await scalar(world.db, distinct)]).toEqual([run.accepted, run.accepted]);
});

test('no unsafe call began to run twice', () => {
  expect([...run.unsafeStarts.values()].filter((starts) => starts > 1)).toEqual([]);
  expect(run.unsafeStarts.size).toBeGreaterThan(0);
});
