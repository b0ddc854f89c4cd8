import { PlatformError } from '@everruns/contract';
import type { OpArgs, SCHEDULE_OPS } from '@everruns/contract';
import { scheduleIdOf } from '../services/schedules.ts';
import type { ScheduleRequest, ScheduleService } from '../services/schedules.ts';
import { leaseFor } from './scope.ts';
import type { LeaseScope } from './scope.ts';
import type { OpHandlers } from './session-ops.ts';

/** Schedules, in the name of a lease. One call makes one schedule, however often it is made. */
export function scheduleOps(schedules: ScheduleService): OpHandlers<keyof typeof SCHEDULE_OPS> {
  return {
    'schedules.create': (scope, { monitor, ...request }) => {
      const key = `${scope.turnId}:${scope.step}:${scope.callId ?? ''}`;
      return schedules.create(scope, { ...request, ...probed(scope, monitor) }, { key, lease: scope.lease });
    },
    'schedules.list': async (scope) => ({ schedules: await schedules.list(scope) }),
    'schedules.cancel': async (scope, { schedule_id, batch }) => {
      const id = scheduleIdOf(schedule_id);
      return { cancelled: id !== null && (await schedules.cancel(scope, id, leaseFor(scope, batch))) };
    },
  };
}

/** The call that is made is the one that was planned, judged and allowed; never one that the worker names. */
function probed({ target }: LeaseScope, monitor: OpArgs<'schedules.create'>['monitor']): Pick<ScheduleRequest, 'probe'> {
  if (monitor === undefined) return {};
  if (target === undefined) throw new PlatformError('wrong_state', 'This call names no other one.');
  return { probe: { value: { call: target, title: monitor.title, wakes: monitor.signal }, runs: monitor.max_runs } };
}
