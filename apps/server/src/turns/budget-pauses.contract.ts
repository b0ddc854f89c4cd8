import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import type { BudgetShortage, TaskFailure, Uuid } from '@everruns/contract';
import { deleteBudget, insertBudget, reserveBudget, resumeBudgets, topUpBudget } from '@everruns/storage';
import type { NewBudget, Queryable } from '@everruns/storage';
import { answer, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture, TestEngine } from './testing/fixture.ts';

/** A step whose call fits in no budget waits without a lease, and goes on when there is room, whoever dies in between. */

let fixture: EngineFixture;
let engine: TestEngine;
let worker: HandWorker;
let sessionId: Uuid;
let budgetId: Uuid;
let made = 0;
beforeAll(async () => {
  fixture = await engineFixture();
  ({ engine } = fixture);
});
beforeEach(async () => {
  worker = new HandWorker(engine);
  await worker.take('welcome');
  sessionId = await fixture.session();
  budgetId = await budget({});
});
afterEach(() => worker.vanish());
afterAll(() => fixture.close());

async function budget(parts: Partial<NewBudget>): Promise<Uuid> {
  const id = `00000000-0000-8000-8000-${String(++made).padStart(12, '0')}`;
  const usual = { org_id: DEFAULT_ORG_ID, subject_type: 'session', subject_id: sessionId, currency: 'tokens', limit_units: 10 } as const;
  await insertBudget(fixture.db, { id, ...usual, soft_units: null, period: null, period_seconds: null, metadata: null, ...parts }, 1_000);
  return id;
}

const at = () => ({ orgId: DEFAULT_ORG_ID, id: budgetId });
const types = async (): Promise<string[]> => (await fixture.log(sessionId)).map((event) => event.type);
const status = async (): Promise<unknown> => {
  const text = 'select status from session_heads where session_id = $1';
  return (await fixture.db.run<{ status: string }>({ name: 'test_status', text }, [sessionId]))[0]?.status;
};
const count = async (table: string): Promise<number> => {
  const text = `select count(*)::int as n from ${table} where session_id = $1`;
  return (await fixture.db.run<{ n: number }>({ name: `test_count_${table}`, text }, [sessionId]))[0]?.n ?? 0;
};

function refused(code: BudgetShortage['code'] = 'budget_exhausted'): TaskFailure {
  const notice = { budget_id: toPublicId('budget', budgetId), currency: 'tokens', limit: 10, balance: 10 };
  return { kind: 'failure', code, message: 'refused', retryable: true, budget: { code, budget: notice, needed_units: 200 } };
}

/** A turn whose first step asks for room, and is refused. */
async function askInVain(): Promise<Awaited<ReturnType<HandWorker['reason']>>> {
  await engine.turns.postMessage(SCOPE, { sessionId, ...said('Hello') });
  const step = await worker.reason();
  expect(step.input.budgeted).toBe(true);
  const { taskId, token } = step.task;
  const call = { n: 1, known: [], inputTokens: 100, inputNano: 0, outputNano: 0, minOutput: 100, maxOutput: 900 };
  expect(await reserveBudget(fixture.db, { sessionId, taskId, token, ...call })).toMatchObject({ verdict: 'refused', budgetId });
  return step;
}

async function finish(): Promise<void> {
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input));
  await expect.poll(types).toContain('turn.completed');
}

describe('a refused step', () => {
  test('waits, without a lease, and goes on when there is room', async () => {
    const { task } = await askInVain();
    expect(await worker.complete(task, refused())).toBe('ok');
    expect([await status(), await count('leases'), await count('timers')]).toEqual(['paused', 0, 1]);
    await topUpBudget(fixture.db, at(), { units: 1_000, description: null });
    engine.turns.lookAgain();
    await finish();
    expect((await types()).slice(3)).toEqual([
      'reason.started',
      'budget.exhausted',
      'budget.resumed',
      'reason.recovered',
      'llm.generation',
      'reason.completed',
      'output.message.completed',
      'turn.completed',
      'session.idled',
    ]);
    expect([await status(), await count('timers')]).toEqual(['idle', 0]);
  });

  test('is found by the next beat when nobody has told of the room', async () => {
    const { task } = await askInVain();
    await worker.complete(task, refused());
    await deleteBudget(fixture.db, at());
    await engine.beat();
    await finish();
  });

  test('goes on when its period ends', async () => {
    await deleteBudget(fixture.db, at());
    budgetId = await budget({ period: { type: 'duration', seconds: 60 }, period_seconds: 60 });
    const { task } = await askInVain();
    await worker.complete(task, refused());
    const past = `with b as (update budgets set period_started_at = period_started_at - interval '61 seconds', period_ends_at = engine_now() where id = $2)
      update timers set due_at = engine_now() where session_id = $1`;
    await fixture.db.run({ name: 'test_past', text: past }, [sessionId, budgetId]);
    await engine.beat();
    await finish();
  });

  test('does not wait for room that was made before it said so', async () => {
    const { task } = await askInVain();
    await topUpBudget(fixture.db, at(), { units: 1_000, description: null });
    await worker.complete(task, refused());
    await finish();
    expect(await types()).not.toContain('budget.exhausted');
  });

  test('waits once when the reply is lost, and goes on once', async () => {
    const { task } = await askInVain();
    engine.faults.loseReply('apply_plan');
    await worker.complete(task, refused());
    expect([await status(), await count('timers')]).toEqual(['paused', 1]);
    await topUpBudget(fixture.db, at(), { units: 1_000, description: null });
    engine.faults.loseReply('apply_plan');
    engine.turns.lookAgain();
    await finish();
    for (const type of ['budget.exhausted', 'budget.resumed']) expect((await types()).filter((each) => each === type)).toHaveLength(1);
  });

  test('goes on waiting, and says nothing, while there is still too little room', async () => {
    const { task } = await askInVain();
    await worker.complete(task, refused());
    const before = await types();
    for (let again = 0; again < 3; again++) {
      expect(await resumeBudgets(fixture.db, { orgId: DEFAULT_ORG_ID, sessionId })).toEqual([]);
      engine.turns.lookAgain();
      await engine.beat();
    }
    await topUpBudget(fixture.db, at(), { units: 100, description: null });
    await engine.beat();
    expect([await types(), await status(), await count('timers')]).toEqual([before, 'paused', 1]);
    const due = `select count(*)::int as n from timers where session_id = $1 and due_at <= engine_now()`;
    expect(await fixture.db.run({ name: 'test_due', text: due }, [sessionId])).toEqual([{ n: 0 }]);
    await topUpBudget(fixture.db, at(), { units: 90, description: null });
    await engine.beat();
    await finish();
  });

  test('goes on when enough has left a rolling window', async () => {
    await deleteBudget(fixture.db, at());
    budgetId = await budget({ limit_units: 250, period: { type: 'rolling', window: '1m' }, period_seconds: 60 });
    const spend = `with b as (update budgets set spent = 200, rolled_through = engine_now() - interval '2 minutes' where id = $1)
      insert into budget_ledger (budget_id, units, source, created_at, counts_until) values ($1, -200, 'model_call', engine_now(), engine_now() + interval '1 hour')`;
    await fixture.db.run({ name: 'test_spend', text: spend }, [budgetId]);
    const { task } = await askInVain();
    await worker.complete(task, refused());
    const look = async (): Promise<void> => {
      const text = `update timers set due_at = engine_now() where session_id = $1`;
      await fixture.db.run({ name: 'test_look', text }, [sessionId]);
      await engine.beat();
    };
    await look();
    expect([await status(), await count('timers')]).toEqual(['paused', 1]);
    const age = `with b as (update budgets set rolled_through = engine_now() - interval '2 minutes' where id = $1)
      update budget_ledger set created_at = engine_now() - interval '90 seconds' where budget_id = $1`;
    await fixture.db.run({ name: 'test_age', text: age }, [budgetId]);
    await look();
    await finish();
  });

  test('is gone with its turn when that is cancelled, and with its session', async () => {
    const first = await askInVain();
    await worker.complete(first.task, refused());
    expect(await engine.turns.cancel(SCOPE, sessionId)).toMatchObject({ status: 'cancelled' });
    expect([await status(), await count('timers')]).toEqual(['idle', 0]);
    const second = await askInVain();
    await worker.complete(second.task, refused());
    await engine.turns.deleteSession(SCOPE, sessionId);
    expect(await count('timers')).toBe(0);
  });

  test('whose turn is cancelled while it is about to go on takes nothing else of that turn along', async () => {
    const { task } = await askInVain();
    await worker.complete(task, refused());
    await topUpBudget(fixture.db, at(), { units: 1_000, description: null });
    const looking = engine.faults.holdReply('due_budget_pauses');
    engine.turns.lookAgain();
    await looking.reached;
    await engine.turns.cancel(SCOPE, sessionId);
    const report = `insert into timers (id, due_at, kind, org_id, session_id, workflow_id, ref, payload)
      select gen_random_uuid(), engine_now() + interval '1 hour', 'task_report', org_id, session_id, id, id::text, '{}' from workflows where session_id = $1`;
    await fixture.db.run({ name: 'test_report', text: report }, [sessionId]);
    const dropping = engine.faults.holdReply('drop_budget_timers');
    looking.release();
    await dropping.reached;
    dropping.release();
    expect(await count('timers')).toBe(1);
  });

  test('waits for the shares of its budget before it holds the budget: whoever takes shares back locks them first, too', async () => {
    await topUpBudget(fixture.db, at(), { units: 440, description: null });
    await engine.turns.postMessage(SCOPE, { sessionId, ...said('Hello') });
    const { task } = await worker.reason();
    const call = {
      sessionId,
      taskId: task.taskId,
      token: task.token,
      inputTokens: 100,
      inputNano: 0,
      outputNano: 0,
      minOutput: 100,
      maxOutput: 100,
    };
    await reserveBudget(fixture.db, { ...call, n: 1, known: [] });
    await reserveBudget(fixture.db, { ...call, n: 2, known: [] });
    const known = [{ n: 2, tokens: 300, nano: 0 }];
    expect(await reserveBudget(fixture.db, { ...call, n: 3, known })).toMatchObject({ verdict: 'refused' });
    const run = <R extends Record<string, unknown>>(db: Queryable, text: string) => db.run<R>({ name: '', text }, [budgetId]);
    const paused = await fixture.db.transaction(async (tx) => {
      await run(tx, 'select 1 from budget_grants where budget_id = $1 for update');
      const pausing = worker.complete(task, refused());
      const blocked = `select pid from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0 and $1::text is not null`;
      await expect.poll(() => run(fixture.db, blocked)).toHaveLength(1);
      expect(await run(fixture.db, 'select id from budgets where id = $1 for update skip locked')).toHaveLength(1);
      return { pausing };
    });
    expect(await paused.pausing).toBe('ok');
    expect(await status()).toBe('paused');
    await deleteBudget(fixture.db, at());
    engine.turns.lookAgain();
    await finish();
  });

  test('is tried again in a moment when others were at work with what is left', async () => {
    const { task } = await askInVain();
    await worker.complete(task, { ...refused(), budget: { code: 'busy' } });
    expect([await status(), await count('leases'), await count('timers')]).toEqual(['active', 0, 1]);
    await deleteBudget(fixture.db, at());
    const soon = `update timers set due_at = engine_now() where session_id = $1`;
    await fixture.db.run({ name: 'test_soon', text: soon }, [sessionId]);
    await engine.beat();
    await finish();
  });
});
