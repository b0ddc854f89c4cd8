import { DEFAULT_ORG_ID } from '@everruns/contract';
import { EMPTY_PLAN } from '@everruns/engine';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { useContainerLease } from '../containers/leases.ts';
import { containerRemoved, dueContainerRemovals } from '../containers/removals.ts';
import { listApprovalRecords } from '../resources/approval-records.ts';
import { budgetLedger, budgetsOfSession, resumeBudgets, topUpBudget } from '../resources/budgets.ts';
import { advanceSchedule, dueSchedules, listSchedules } from '../resources/session-schedules.ts';
import { dropBudgetPauses, dueBudgetPauses, fitsBudget, parkForBudget, settleHolds, staysParked, unparkForBudget } from './budgets.ts';
import { findBackground, forgetBackground } from './background.ts';
import { forgetCatalogue } from './catalogue.ts';
import { copyHistoryToChild } from './child-history.ts';
import { completeStep } from './complete.ts';
import { findDeadLetter, lockDeadLetter, markRequeued, reviveWorkflow } from './dead-letters.ts';
import { markSessionDeleted, underHead } from './head.ts';
import { instanceAlive } from './instances.ts';
import { callsOfStep, dropLease, leaseStands, strayLeasesOfWorker } from './leases.ts';
import {
  countTree,
  findParent,
  findSessionTask,
  findTaskMessage,
  findTaskQuestion,
  findTaskTurnEnd,
  listSessionTasks,
  listTaskMessages,
  lockSessionTask,
  newestSessionTask,
  taskOfChild,
} from './session-tasks.ts';
import { lastReasonStart } from './step.ts';
import {
  addTaskTimer,
  appendUnderHead,
  cancelLinkedTasks,
  dropTaskTimers,
  dueTaskTimers,
  endWait,
  holdLease,
  putOffCall,
  putOffTimer,
  waitOfCall,
  wakeWaitingCalls,
} from './task-timers.ts';
import { enqueueTaskDeliveries, settleTaskDelivery, takeTaskDeliveries } from './task-webhooks.ts';
import { fillDatabase } from './testing/fill.ts';
import { recordStatements, scansOf } from './testing/plans.ts';
import type { Scan } from './testing/plans.ts';
import { scalar, sql } from './testing/sql.ts';
import { tourOfTheCore } from './testing/tour.ts';
import { claim, completeReason, openSession, post } from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { OwnedDatabase, World } from './testing/world.ts';

let database: OwnedDatabase;
let world: World;
let statements: Map<string, string>;

beforeAll(async () => {
  database = await testDatabase();
  world = await openWorld(database);
  const recorded = recordStatements(world.db);
  await tourOfTheCore(recorded.db, world.player);
  await rareStatements(recorded.db, world.player);
  statements = recorded.statements;
  await world.reset();
  await fillDatabase(world.db);
});

afterAll(() => world.close());

/** What only a recovery, a dead letter or an attaching worker asks; the plan is the same whether there is an answer. */
async function rareStatements(db: Database, { ids, instanceId, seat }: Player): Promise<void> {
  const lease = { taskId: ids.next(), token: ids.random(), instanceId, attachment: seat.attachment };
  await leaseStands(db, lease);
  await dropLease(db, lease);
  await lastReasonStart(db, ids.next());
  await instanceAlive(db, instanceId);
  await strayLeasesOfWorker(db, seat);
  await callsOfStep(db, { workflowId: ids.next(), step: 1 });
  const completion = { sessionId: ids.next(), taskId: ids.next(), token: ids.random(), revision: null, seen: 0 };
  for (const calls of [[], [{ step: 1, callId: 'c', position: 0, side: 'server', effect: 'readonly', plan: {} } as const]]) {
    await completeStep(db, { ...completion, plan: { ...EMPTY_PLAN, calls }, charges: [{ n: 1, tokens: 1, nano: 1 }] });
  }
  await parkForBudget(db, { ...completion, budgetId: ids.next(), needed: 1 });
  await staysParked(db, ids.next());
  await unparkForBudget(db, ids.next());
  await dueBudgetPauses(db, 10);
  await dropBudgetPauses(db, ids.next());
  await settleHolds(db, ids.random());
  await fitsBudget(db, ids.next(), 1);
  await topUpBudget(db, { orgId: DEFAULT_ORG_ID, id: ids.next() }, { units: 1, description: null });
  await resumeBudgets(db, { orgId: DEFAULT_ORG_ID, sessionId: ids.next() });
  await budgetLedger(db, ids.next(), { offset: 0, limit: 10 });
  await besideTurns(db, ids);
  await findDeadLetter(db, ids.next());
  await lockDeadLetter(db, ids.next());
  await markRequeued(db, { id: ids.next(), as: ids.next() });
  await reviveWorkflow(db, { from: ids.next(), as: ids.next(), state: {}, sessionId: ids.next() });
  await underHead(db, { sessionId: await openSession(db, world.player), orgId: null }, async (held) => {
    await markSessionDeleted(held.tx, { orgId: DEFAULT_ORG_ID, sessionId: held.sessionId });
  });
}

/** Tasks of sessions, what is due about them, and whatever else a beat or a tool call asks beside the turns. */
async function besideTurns(db: Database, ids: Player['ids']): Promise<void> {
  const [orgId, sessionId, id] = [DEFAULT_ORG_ID, ids.next(), ids.next()];
  const lease = { taskId: ids.next(), token: ids.random() };
  await dueTaskTimers(db, 10);
  await addTaskTimer(db, { id: ids.next(), kind: 'task_wake', orgId, sessionId, taskId: id, payload: {}, delayMs: 3_600_000 });
  await putOffTimer(db, id, 1);
  await dropTaskTimers(db, id, 'task_cancel');
  await cancelLinkedTasks(db, sessionId, 'test');
  await holdLease(db, lease, sessionId);
  await putOffCall(db, lease, { taskId: id, waitMs: 1 });
  await waitOfCall(db, id);
  await endWait(db, id);
  await wakeWaitingCalls(db, id);
  await appendUnderHead(db, sessionId, []);
  await findSessionTask(db, { orgId, id });
  await newestSessionTask(db, { orgId, sessionId });
  await taskOfChild(db, sessionId);
  await lockSessionTask(db, id);
  await db.transaction((tx) => countTree(tx, sessionId, 'subagent'));
  await listSessionTasks(db, { orgId, sessionId, state: null, kind: null });
  await findTaskMessage(db, id);
  await listTaskMessages(db, { taskId: id, afterId: null, limit: 10 });
  await listTaskMessages(db, { taskId: id, afterId: null, limit: 10, newest: true });
  await findTaskTurnEnd(db, sessionId);
  await findTaskQuestion(db, sessionId);
  await enqueueTaskDeliveries(db, { orgId: ids.next(), taskId: id, type: 'task.updated', body: {}, pushUrls: [] });
  await takeTaskDeliveries(db, { limit: 10, forMs: 1_000 });
  await settleTaskDelivery(db, { id, attempts: 1, state: 'delivered', error: null, delayMs: null });
  await dueSchedules(db, 10);
  await advanceSchedule(db, { sessionId, id, at: new Date() }, { at: null, data: {} });
  await listSchedules(db, { orgId, sessionId });
  await dueContainerRemovals(db, 10);
  await useContainerLease(db, { orgId, sessionId }, { id, engine: 'test', lease: null });
  await containerRemoved(db, id);
  await findBackground(db, orgId, id);
  await forgetBackground(db, id);
  await forgetCatalogue(db, id);
  await copyHistoryToChild(db, { from: sessionId, to: id, beforeTurn: id });
  await findParent(db, { orgId, sessionId });
  await listApprovalRecords(db, { orgId, sessionId }, { limit: 10, offset: 0 });
  await budgetsOfSession(db, { orgId, sessionId });
}

/** One row per instance, provider or worker: reading all of it is the cheapest way. */
const SMALL = new Set(['instances', 'circuit_breakers', 'workers']);

/** Does the scan read the more the longer its table is? An index's end is fine when nothing has to be passed over to find it. */
const isUnbounded = (scan: Scan): boolean =>
  !SMALL.has(scan.relation) && scan.condition === null && (!scan.limited || scan.filter !== null || scan.node === 'Seq Scan');

describe('R2: statements are prepared, generic, and bounded by an index', () => {
  test('the tour runs every statement of a turn, a beat and a recovery', () => {
    const expected = [
      'accept_message',
      'claim_tasks',
      'prompt_messages',
      'append_in_step',
      'complete_step',
      'complete_plain_step',
      'apply_plan',
      'instance_beat',
    ];
    expect([...statements.keys()]).toEqual(expect.arrayContaining(expected));
    expect(statements.size).toBeGreaterThan(45);
  });

  test('no plan reads a whole table or a whole index', async () => {
    const unbounded: Record<string, Scan[]> = {};
    for (const [name, text] of statements) {
      const found = (await scansOf(world.db, text)).filter(isUnbounded);
      if (found.length > 0) unbounded[name] = found;
    }
    expect(unbounded).toEqual({});
  });

  test.each([
    ['a whole table', 'select type from events where ts < $1'],
    [
      'a clock that is read for every row',
      'select id from timers where breaker is null and due_at <= engine_now() order by due_at limit 10',
    ],
    [
      'a join that expects many rows',
      'select s.status from session_heads s join (select id from sessions limit $1) x on x.id = s.session_id',
    ],
  ])('the check finds %s', async (_what, text) => {
    expect((await scansOf(world.db, text)).filter(isUnbounded)).not.toEqual([]);
  });

  test('connections plan once and for all parameters', async () => {
    const own = openDatabase({ ...database.settings, poolSize: 1 });
    try {
      for (let n = 0; n < 8; n++) {
        const sessionId = await openSession(own, world.player);
        await post(own, world.player, sessionId);
      }
      const [used] = await sql<{ generic: number; custom: number }>(
        own,
        `select generic_plans::int as generic, custom_plans::int as custom from pg_prepared_statements where name = 'accept_message'`,
      );
      expect(used).toEqual({ generic: 8, custom: 0 });
      expect(await scalar(own, `select current_setting('plan_cache_mode')`)).toBe('force_generic_plan');
    } finally {
      await own.close();
    }
  });
});

describe('R13: what is written often stays small', () => {
  test('heads have no index beside their key, and room for updates in their pages', async () => {
    const indexes = await sql(world.db, `select indexname from pg_indexes where tablename = 'session_heads'`);
    expect(indexes).toEqual([{ indexname: 'session_heads_pkey' }]);
    expect(await scalar<string[]>(world.db, `select reloptions from pg_class where relname = 'session_heads'`)).toContain('fillfactor=50');
  });

  test.each(['session_heads', 'ready', 'leases', 'timers'])('%s is vacuumed by number of dead rows, at full speed', async (table) => {
    const options = await scalar<string[]>(world.db, `select reloptions from pg_class where relname = $1`, [table]);
    expect(options).toEqual(
      expect.arrayContaining(['autovacuum_vacuum_scale_factor=0', 'autovacuum_vacuum_threshold=2000', 'autovacuum_vacuum_cost_delay=0']),
    );
  });

  test('no update of a head touches an index: they are HOT', async () => {
    const fresh = await openWorld(await testDatabase(), { poolSize: 1 });
    const { db, player } = fresh;
    try {
      const sessionId = await openSession(db, player);
      for (let turn = 0; turn < 20; turn++) {
        await post(db, player, sessionId);
        for (const task of await claim(db, player, 'reason')) await completeReason(db, player, task);
      }
      await sql(db, 'select pg_stat_force_next_flush()');
      const updates = `select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = 'session_heads'`;
      const [counts] = await sql<{ all: number; hot: number }>(db, updates);
      expect(counts?.all).toBe(60);
      // A statement that touched an index would never be HOT, a third of them. One now and then finds its page full: while a transaction of another
      // database (a test's that is being made) has been open for long, PostgreSQL does not look anew at what it may clear away.
      expect(counts?.hot).toBeGreaterThan(55);
    } finally {
      await fresh.close();
    }
  });

  test('a transaction that is left open is ended', async () => {
    expect(await scalar(world.db, `select current_setting('idle_in_transaction_session_timeout')`)).toBe('10s');
  });
});
