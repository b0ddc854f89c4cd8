import type { Pool, Uuid } from '@everruns/contract';
import { reading } from '../store/statement.ts';
import type { Sql } from '../store/statement.ts';
import type { TimerRow } from '../store/tables.ts';

/** MOVE_TASKS, without circuit breakers: due tasks to `ready`; the pools they went to. */
export const moveDueTasks: Sql<Pool[]> = {
  name: 'move_due_tasks',
  *run(s) {
    const pools = new Set<Pool>();
    for (const { id } of s.all(s.tables.timers, (timer) => timer.kind === 'task' && timer.dueMs <= s.nowMs())) {
      const timer = s.tryLock(s.tables.timers, id);
      if (timer === null || timer.task === null) continue;
      yield* s.delete(s.tables.timers, id);
      yield* s.insert(s.tables.ready, timer.task.id, timer.task);
      pools.add(timer.task.pool);
    }
    return [...pools];
  },
};

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
