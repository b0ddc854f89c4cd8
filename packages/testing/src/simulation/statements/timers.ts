import type { Pool, Uuid } from '@everruns/contract';
import { reading } from '../store/statement.ts';
import type { Sql, Statement } from '../store/statement.ts';
import type { TimerRow } from '../store/tables.ts';
import { passesOf } from './breakers.ts';

/**
 * MOVE_TASKS: due tasks to `ready`; the pools they went to. Of the tasks parked by one circuit breaker none moves while it is open or probing, one
 * as its probe, and all when it has closed.
 */
export const moveDueTasks: Sql<Pool[]> = {
  name: 'move_due_tasks',
  *run(s) {
    const pools = new Set<Pool>();
    for (const { id } of dueTasks(s)) {
      const timer = s.tryLock(s.tables.timers, id);
      if (timer === null || timer.task === null) continue;
      yield* s.delete(s.tables.timers, id);
      yield* s.insert(s.tables.ready, timer.task.id, timer.task);
      pools.add(timer.task.pool);
    }
    return [...pools];
  },
};

function dueTasks(s: Statement): TimerRow[] {
  const due = s.all(s.tables.timers, (timer) => timer.kind === 'task' && timer.dueMs <= s.nowMs());
  due.sort((a, b) => a.dueMs - b.dueMs || (a.id < b.id ? -1 : 1));
  const passes = new Map<string, number>();
  return due.filter(({ breaker }) => {
    if (breaker === null) return true;
    const left = passes.get(breaker) ?? passesOf(s, breaker);
    passes.set(breaker, left - 1);
    return left > 0;
  });
}

/** DUE_DEADLINES */
export const dueDeadlines: Sql<TimerRow[]> = reading('due_client_deadlines', (s) => {
  return s.all(s.tables.timers, (timer) => timer.kind === 'client_deadline' && timer.dueMs <= s.nowMs());
});

/** DROP */
export function dropTimer(id: Uuid): Sql<void> {
  return {
    name: 'drop_timer',
    *run(s) {
      yield* s.delete(s.tables.timers, id);
    },
  };
}
