import type { Uuid } from '@everruns/contract';
import type { CallEffect } from '@everruns/engine';
import { FINAL_STATUSES } from '@everruns/engine';
import { short } from '../base/ids.ts';
import type { EventRow, Tables } from '../store/tables.ts';
import type { Write } from '../store/tx.ts';
import { BreakerRules } from './breaker-rules.ts';
import { LogRules } from './log-rules.ts';
import { TurnRules } from './turn-rules.ts';
import type { Violations } from './violations.ts';

/** Sees every commit and every side effect, and what clients were told; knows nothing of how the control plane works. */
export class Observer {
  readonly log: LogRules;
  readonly #turns: TurnRules;
  readonly #breakers: BreakerRules;
  readonly #tables: Tables;
  readonly #violations: Violations;
  readonly #acknowledged = new Set<string>();
  readonly #executions = new Map<string, number>();
  /** Commits that moved a turn; beats and the like are none. */
  progress = 0;

  constructor(tables: Tables, violations: Violations) {
    this.#tables = tables;
    this.#violations = violations;
    this.log = new LogRules(tables, violations);
    this.#turns = new TurnRules(tables, violations);
    this.#breakers = new BreakerRules(tables, violations);
  }

  /** The events of the commit, in log order. */
  committed(writes: readonly Write[]): EventRow[] {
    const events = writes.filter((write) => write.table === 'events').map((write) => write.after as EventRow);
    events.sort((a, b) => a.seq - b.seq);
    this.log.committed(events, writes);
    this.#turns.committed(writes);
    this.#breakers.committed(writes);
    if (writes.some((write) => write.table !== 'instances')) this.progress++;
    return events;
  }

  /** A client was told that its message is stored. */
  acknowledged(id: string): void {
    this.#acknowledged.add(id);
  }

  /** A tool begins to do what it does. */
  executes(at: { workflowId: Uuid; step: number; callId: string; effect: CallEffect }): void {
    const key = `${at.workflowId}/${at.step}/${at.callId}`;
    const times = (this.#executions.get(key) ?? 0) + 1;
    this.#executions.set(key, times);
    this.#violations.check(
      times === 1 || at.effect !== 'unsafe',
      () => `unsafe call ${at.callId} of turn ${short(at.workflowId)} ran ${times} times`,
    );
  }

  /** Nothing runs and nothing is left that could. */
  settled(): boolean {
    for (const head of this.#tables.heads.committed()) if (head.turnId !== null) return false;
    for (const _lease of this.#tables.leases.committed()) return false;
    return true;
  }

  /** What must hold when everything has come to rest. */
  finish(): void {
    for (const [id, turn] of this.log.turns) {
      this.#violations.check(turn.started && turn.ended !== null && turn.idled, () => {
        return `turn ${short(id)} is ${turn.started ? 'started' : 'not started'}, ${turn.ended ?? 'not ended'}, ${turn.idled ? 'idled' : 'not idled'}`;
      });
    }
    for (const id of this.#acknowledged) {
      this.#violations.check(this.log.stored.has(id), () => `message ${id} was acknowledged and is not in the log`);
    }
    for (const task of this.#tables.ready.committed()) {
      const workflow = this.#tables.workflows.get(task.workflowId);
      this.#violations.check(workflow === null || FINAL_STATUSES.has(workflow.status), () => `task ${short(task.id)} is left`);
    }
    for (const timer of this.#tables.timers.committed()) {
      this.#violations.check(false, () => `a timer (${timer.kind}) of turn ${short(timer.workflowId)} is left`);
    }
    for (const call of this.#tables.calls.committed()) {
      this.#violations.check(call.state === 'settled', () => `call ${call.callId} of turn ${short(call.workflowId)} is left ${call.state}`);
    }
  }
}
