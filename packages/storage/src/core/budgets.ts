import type { CallCharge, Uuid } from '@everruns/contract';
import type { TaskError } from '@everruns/engine';
import type { Database, Queryable, Statement } from '../database.ts';
import { storableJson } from '../json.ts';

/**
 * Reservations for model calls. What may be spent is decided in the database's own functions (migration 0022), under its locks; a hold belongs
 * to the lease that made it, and ends with it on whichever way that ends.
 */

export interface Reservation {
  sessionId: Uuid;
  taskId: Uuid;
  token: Uuid;
  /** Numbers the calls of one lease; asked again, a call has what it got. */
  n: number;
  /** What earlier calls of the lease have cost. */
  known: readonly CallCharge[];
  /** What the input costs at most; null where the model has no price. */
  inputTokens: number;
  inputNano: number | null;
  /** Nano-dollars per output token. */
  outputNano: number | null;
  /** Tokens that the answer must and may have. */
  minOutput: number;
  maxOutput: number;
}

export type ShortageCode = 'budget_exhausted' | 'budget_paused' | 'soft_limit_reached';

export type Reserved =
  /** `warnings` names budgets of which four fifths are spent, each once. */
  | { verdict: 'ok'; maxOutputTokens: number; warnings: Uuid[] }
  /** It would fit, were others not at work with what is left. */
  | { verdict: 'busy'; budgetId: Uuid }
  | { verdict: 'refused'; code: ShortageCode | 'unpriced'; budgetId: Uuid; neededUnits: number }
  | { verdict: 'lost' };

const RESERVE: Statement = {
  name: 'budget_reserve',
  text: `select budget_reserve($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10, $11::uuid[]) as answer`,
};
const GATHER: Statement = { name: 'budget_gather', text: `select budget_gather($1)` };

interface Answer {
  verdict: Reserved['verdict'] | 'gather';
  code?: ShortageCode | 'unpriced';
  budget_id: Uuid;
  needed_units?: number;
  max_output_tokens?: number;
  warnings?: Uuid[];
}

/**
 * Each statement is a transaction of its own: near its end, what sessions do not use of a budget is taken back before it is asked again, once per
 * budget.
 */
export async function reserveBudget(db: Database, call: Reservation): Promise<Reserved> {
  const gathered: Uuid[] = [];
  for (;;) {
    const answer = await reserve(db, call, gathered);
    if (answer.verdict !== 'gather') return reservedOf(answer, call);
    await db.run(GATHER, [answer.budget_id]);
    gathered.push(answer.budget_id);
  }
}

async function reserve(db: Queryable, call: Reservation, gathered: readonly Uuid[]): Promise<Answer> {
  const rows = await db.run<{ answer: Answer }>(RESERVE, [
    call.sessionId,
    call.taskId,
    call.token,
    call.n,
    JSON.stringify(call.known),
    call.inputTokens,
    call.inputNano,
    call.outputNano,
    call.minOutput,
    call.maxOutput,
    gathered,
  ]);
  return (rows[0] as { answer: Answer }).answer;
}

function reservedOf(answer: Answer, call: Reservation): Reserved {
  switch (answer.verdict) {
    case 'ok':
      return { verdict: 'ok', maxOutputTokens: answer.max_output_tokens ?? call.maxOutput, warnings: answer.warnings ?? [] };
    case 'refused':
      return {
        verdict: 'refused',
        code: answer.code ?? 'budget_exhausted',
        budgetId: answer.budget_id,
        neededUnits: answer.needed_units ?? 0,
      };
    case 'gather':
    case 'busy':
      return { verdict: 'busy', budgetId: answer.budget_id };
    case 'lost':
      return { verdict: 'lost' };
    default:
      return answer.verdict satisfies never;
  }
}

const CHARGE: Statement = { name: 'budget_charge', text: `select budget_charge($1, $2::jsonb)` };

/** Notes what calls of a lease have cost; counted when the lease ends. */
export async function chargeHolds(db: Queryable, token: Uuid, charges: readonly CallCharge[]): Promise<void> {
  if (charges.length > 0) await db.run(CHARGE, [token, JSON.stringify(charges)]);
}

const SETTLE: Statement = { name: 'budget_settle', text: `select budget_settle($1, null)` };

/**
 * Ends what is held for the calls of a lease, which make no more of them: before anything else of a budget is locked, since shares are locked before
 * their budget.
 */
export async function settleHolds(tx: Queryable, token: Uuid): Promise<void> {
  await tx.run(SETTLE, [token]);
}

const FITS: Statement = { name: 'budget_fits', text: `select budget_fits($1, $2) as fits` };

/** Would a call that was refused fit by now? Until the caller has committed, the budget's terms stay as they are. */
export async function fitsBudget(tx: Queryable, budgetId: Uuid, units: number): Promise<boolean> {
  return (await tx.run<{ fits: boolean }>(FITS, [budgetId, units]))[0]?.fits ?? true;
}

/** A pause ends by itself when its budget's period does; a rolling window is looked at a few times while it passes. */
const nextLook = (budgetId: string): string => `coalesce(
     (select case when b.period->>'type' = 'rolling' then engine_now() + greatest(1, b.period_seconds / 8) * interval '1 second' else b.period_ends_at end
      from budgets b where b.id = ${budgetId}), engine_now() + interval '100 years')`;

const PARK: Statement = {
  name: 'park_for_budget',
  text: `with l as (
   delete from leases where task_id = $1 and token = $2
   returning task_id, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, call_id, effect, payload, checkpoint)
 insert into timers (id, due_at, kind, org_id, session_id, workflow_id, ref, payload)
 select l.task_id, ${nextLook('$3')},
   'budget', l.org_id, l.session_id, l.workflow_id, $3::text,
   jsonb_build_object('needed', $5::bigint, 'pool', l.pool, 'priority', l.priority, 'attempt', l.attempt, 'losses', l.losses, 'failures', l.failures, 'step', l.step, 'call_id', l.call_id,
     'effect', l.effect, 'payload', l.payload || $4::jsonb, 'checkpoint', l.checkpoint)
 from l returning id`,
};

/** Puts the task of a lease aside until its budget has room again; false when the lease is lost. The caller holds the head. */
export async function parkForBudget(
  tx: Queryable,
  at: { taskId: Uuid; token: Uuid; budgetId: Uuid; needed: number; errors?: readonly TaskError[] },
): Promise<boolean> {
  const kept = at.errors === undefined ? {} : { errors: at.errors };
  return (await tx.run(PARK, [at.taskId, at.token, at.budgetId, storableJson(kept), at.needed])).length > 0;
}

const PARKED: Statement = {
  name: 'parked_for_budget',
  text: `select ref::uuid as "budgetId", coalesce((payload->>'needed')::bigint, 0) as needed from timers where workflow_id = $1 and kind = 'budget'`,
};
const PUT_OFF: Statement = {
  name: 'put_off_budget_pause',
  text: `update timers set due_at = ${nextLook('timers.ref::uuid')} where workflow_id = $1 and kind = 'budget'`,
};

/**
 * Is there still too little room for what was put aside? Then it is not looked at again before its budget changes, or its time has come. Whoever makes
 * room from here on waits until the caller, who holds the head, has committed, and finds the pause.
 */
export async function staysParked(tx: Queryable, workflowId: Uuid): Promise<boolean> {
  const [parked] = await tx.run<{ budgetId: Uuid; needed: number }>(PARKED, [workflowId]);
  if (parked === undefined || (await fitsBudget(tx, parked.budgetId, parked.needed))) return false;
  await tx.run(PUT_OFF, [workflowId]);
  return true;
}

const UNPARK: Statement = {
  name: 'unpark_for_budget',
  text: `with t as (delete from timers where workflow_id = $1 and kind = 'budget' returning id, org_id, session_id, workflow_id, ref, payload),
 r as (
   insert into ready (id, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, call_id, effect, payload, checkpoint)
   select t.id, t.org_id, t.session_id, t.workflow_id, p.pool, p.priority, p.attempt, p.losses, p.failures, p.step, p.call_id, p.effect, p.payload, p.checkpoint
   from t, lateral jsonb_to_record(t.payload) as p(pool text, priority int, attempt int, losses int, failures int, step int, call_id text, effect text, payload jsonb, checkpoint jsonb))
 select ref::uuid as "budgetId" from t`,
};

/** Gives what was put aside back to the queue; the budgets that it waited for. The caller holds the head. */
export async function unparkForBudget(tx: Queryable, workflowId: Uuid): Promise<Uuid[]> {
  return (await tx.run<{ budgetId: Uuid }>(UNPARK, [workflowId])).map((row) => row.budgetId);
}

const DROP: Statement = { name: 'drop_budget_timers', text: `delete from timers where workflow_id = $1 and kind = 'budget'` };

/** Of a turn that is over. Other timers of it are left alone: one may still have to tell of its end. */
export async function dropBudgetPauses(db: Queryable, workflowId: Uuid): Promise<void> {
  await db.run(DROP, [workflowId]);
}

const DUE: Statement = {
  name: 'due_budget_pauses',
  text: `select session_id as "sessionId", workflow_id as "workflowId" from timers
    where breaker is null and kind = 'budget' and due_at <= (select engine_now()) order by due_at limit $1`,
};

export interface BudgetPause {
  sessionId: Uuid;
  workflowId: Uuid;
}

/** Pauses that end by themselves now. */
export function dueBudgetPauses(db: Queryable, limit: number): Promise<BudgetPause[]> {
  return db.run<BudgetPause & Record<string, unknown>>(DUE, [limit]);
}
