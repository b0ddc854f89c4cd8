import { idParam, PlatformError, ScheduleTriggered, SessionSchedule, UpdateSchedule } from '@everruns/contract';
import { z } from 'zod';
import { triggerSchedule } from '../../services/schedules.ts';
import type { ScheduleService, TriggerDeps } from '../../services/schedules.ts';
import type { SessionService } from '../../services/sessions.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent } from './params.ts';

const tags = ['Schedules'];
const params = idPath('session');
const one = z.object({ id: idParam('session'), schedule_id: idParam('schedule') });

export interface ScheduleRoutesDeps extends TriggerDeps {
  sessions: Pick<SessionService, 'require'>;
  schedules: ScheduleService;
}

/** Schedules are made by the session's own tools; here they are looked at, switched, fired and removed. */
export function scheduleRoutes(app: Api, deps: ScheduleRoutesDeps): void {
  const { sessions, schedules } = deps;
  const path = '/v1/sessions/:id/schedules';
  app.get(
    path,
    { schema: { tags, operationId: 'listSessionSchedules', params, response: { 200: z.array(SessionSchedule) } } },
    async (request) => {
      await sessions.require(request.scope, request.params.id);
      return schedules.list({ ...request.scope, sessionId: request.params.id });
    },
  );
  app.get(
    `${path}/:schedule_id`,
    { schema: { tags, operationId: 'getSessionSchedule', params: one, response: { 200: SessionSchedule } }, config: { cache: 'entity' } },
    async (request) => schedules.get({ ...request.scope, sessionId: request.params.id }, request.params.schedule_id),
  );
  app.patch(
    `${path}/:schedule_id`,
    { schema: { tags, operationId: 'updateSessionSchedule', params: one, body: UpdateSchedule, response: { 200: SessionSchedule } } },
    async (request) =>
      schedules.setEnabled({ ...request.scope, sessionId: request.params.id }, request.params.schedule_id, request.body.enabled),
  );
  app.delete(
    `${path}/:schedule_id`,
    { schema: { tags, operationId: 'deleteSessionSchedule', params: one, response: { 204: NoContent } } },
    async (request, reply) => {
      const place = { ...request.scope, sessionId: request.params.id };
      if (!(await schedules.cancel(place, request.params.schedule_id, null)))
        throw new PlatformError('not_found', 'There is no such schedule.');
      return reply.code(204).send();
    },
  );
  app.post(
    `${path}/:schedule_id/trigger`,
    { schema: { tags, operationId: 'triggerSessionSchedule', params: one, response: { 200: ScheduleTriggered } } },
    async (request) => triggerSchedule(deps, { ...request.scope, sessionId: request.params.id }, request.params.schedule_id),
  );
}
