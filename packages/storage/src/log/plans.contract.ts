import { DEFAULT_ORG_ID, MAX_SEQUENCE } from '@everruns/contract';
import { createLogSession } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fillDatabase } from '../core/testing/fill.ts';
import { recordStatements, scansOf } from '../core/testing/plans.ts';
import type { Scan } from '../core/testing/plans.ts';
import { openWorld } from '../core/testing/world.ts';
import type { World } from '../core/testing/world.ts';
import { countEvents, hasEvent, listEvents, summarizeEvents, turnStartBefore } from './event-list.ts';
import { catchUp, eventsAfter, lastSequences, sequenceRange, streamStart } from './events.ts';
import { readNewText, readTextOfSessions, writeOpenText } from './open-text.ts';
import { findTurn, listTurns } from './turns.ts';

let world: World;
const statements = new Map<string, string>();

beforeAll(async () => {
  world = await openWorld(await testDatabase());
  const recorded = recordStatements(world.db);
  const { db } = recorded;
  const sessionId = await createLogSession(db);
  const at = { sessionId, orgId: DEFAULT_ORG_ID };
  const limits = { rows: 10, bytes: 1_000 };
  await streamStart(db, { ...at, after: 1, live: false });
  await eventsAfter(db, { ...at, after: 0 }, limits);
  await catchUp(db, [{ ...at, after: 0 }], limits);
  await lastSequences(db, [sessionId]);
  await sequenceRange(db, at);
  const page = { ...at, after: 0, before: MAX_SEQUENCE, limit: 10 };
  for (const newestFirst of [true, false]) await listEvents(db, { ...page, newestFirst, filter: {} });
  const filter = {
    types: ['x'],
    exclude: ['y'],
    from: new Date(),
    to: new Date(),
    turnId: 't',
    execId: 'e',
    traceId: 't',
    tags: ['t'],
    toolName: 'n',
    words: ['w'],
  };
  await listEvents(db, { ...page, newestFirst: false, filter });
  await countEvents(db, at, filter);
  await turnStartBefore(db, at, 5);
  await hasEvent(db, at, { sequence: 1, id: sessionId });
  await summarizeEvents(db, at);
  await listTurns(db, { ...at, offset: 0, limit: 10 });
  await findTurn(db, { ...at, turnId: 'turn_x' });
  await readNewText(db, new Map([[sessionId, 0]]), [sessionId]);
  await readTextOfSessions(db, [sessionId]);
  await writeOpenText(db, sessionId, []);
  for (const [name, text] of recorded.statements) if (!name.startsWith('test_')) statements.set(name, text);
  await fillDatabase(world.db);
  for (const table of ['open_text_0', 'open_text_1']) {
    await world.db.run({ name: `fill_${table}`, text: `${FILL_TEXT.replace('open_text', table)}` });
    await world.db.run({ name: `analyze_${table}`, text: `analyze ${table}` });
  }
});

/** As much open text as many writing instances leave in a quarter of an hour. */
const FILL_TEXT = `insert into open_text (instance_id, n, session_id, message_id, attempt, stream, start_offset, started_seq, text)
  select md5((i % 5)::text)::uuid, i, md5((i % 400)::text)::uuid, md5((i % 400)::text)::uuid, 1, 'output', i, 3, '"some text"' from generate_series(1, 20000) i`;

afterAll(() => world.close());

/** One row per instance that writes text. */
const SMALL = new Set(['open_text_marker']);

const isUnbounded = (scan: Scan): boolean =>
  !SMALL.has(scan.relation) && scan.condition === null && (!scan.limited || scan.filter !== null || scan.node === 'Seq Scan');

test('no read of the log or of open text reads a whole table or a whole index', async () => {
  expect(statements.size).toBeGreaterThan(15);
  const unbounded: Record<string, Scan[]> = {};
  for (const [name, text] of statements) {
    const found = (await scansOf(world.db, text)).filter(isUnbounded);
    if (found.length > 0) unbounded[name] = found;
  }
  expect(unbounded).toEqual({});
});

test('a page of turns reads the events of its own turns and no other, and finds their workflows by id', async () => {
  const scans = await scansOf(world.db, statements.get('turn_list') as string);
  const of = (relation: string) => scans.filter((scan) => scan.relation === relation);
  expect(of('events').map(({ index, filter }) => ({ index, filter }))).toEqual([
    { index: 'events_turn_starts', filter: null },
    { index: 'events_turn_starts', filter: null },
    { index: 'events_turn_ends', filter: null },
  ]);
  expect(of('workflows').map(({ index }) => index)).toEqual(['workflows_pkey']);
});
