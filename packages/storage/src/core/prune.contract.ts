import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { prune, pruneAll } from './prune.ts';
import { scalar, sql } from './testing/sql.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

let world: World;
let db: Database;
beforeAll(async () => {
  world = await openWorld(await testDatabase());
  ({ db } = world);
});
beforeEach(() => world.reset());
afterAll(() => world.close());

const ended = (n: number) =>
  sql(
    db,
    `insert into workflows (id, org_id, kind, version, status, state, revision, ended_at)
       select gen_random_uuid(), gen_random_uuid(), 'turn', 1, 'completed', '{}', 1, now() - interval '8 days' from generate_series(1, $1)`,
    [n],
  );
const left = () => scalar<number>(db, 'select count(*)::int from workflows');

test('all that is old enough goes, however much has come since the last time', async () => {
  await ended(1_200);
  expect(await prune(db)).toBe(500);
  await pruneAll(db, () => false);
  expect(await left()).toBe(0);
});

test('it stops between two rounds when it is time for other things', async () => {
  await ended(1_200);
  await pruneAll(db, () => true);
  expect(await left()).toBe(700);
});

test('workers that have gone for a day are forgotten, those of living instances are not', async () => {
  const { instanceId } = world.player;
  const add = (id: string, at: string, options: { instance?: string; status?: string } = {}) =>
    sql(
      db,
      `insert into workers (id, boot_id, instance_id, attachment, pools, status, last_seen_at)
         values ($1, gen_random_uuid(), $2, gen_random_uuid(), '{}', $3, now() - $4::interval)`,
      [id, options.instance ?? instanceId, options.status ?? 'running', at],
    );
  const gone = '01933b5a-0000-7000-8000-0000000000aa';
  await add('attached for long', '9 days');
  await add('stopped long ago', '2 days', { status: 'stopped' });
  await add('stopped just now', '1 hour', { status: 'stopped' });
  await add('of an instance that is gone', '2 days', { instance: gone });
  await add('of one that has just gone', '1 hour', { instance: gone });
  await prune(db);
  const kept = await sql<{ id: string }>(db, 'select id from workers order by id');
  expect(kept.map((row) => row.id)).toEqual(['attached for long', 'of one that has just gone', 'stopped just now']);
});
