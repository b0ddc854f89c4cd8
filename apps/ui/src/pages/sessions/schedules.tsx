import { useQuery } from '@tanstack/react-query';
import { CalendarClock, Play, Trash2 } from 'lucide-react';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorNote } from '../../ui/notes.tsx';
import { Card } from '../../ui/page.tsx';
import { Ago } from '../../ui/time.tsx';
import { sessionRoute } from './session-queries.ts';
import { TabPage } from './tab-page.tsx';

const REFRESH_MS = 5_000;

export function Schedules() {
  const { sessionId } = sessionRoute.useParams();
  const { data, error, isPending, refetch } = useQuery({
    queryKey: scoped('session-schedules', sessionId),
    queryFn: () => api.get('/v1/sessions/{id}/schedules', { params: { path: { id: sessionId } } }),
    refetchInterval: REFRESH_MS,
  });
  return (
    <TabPage label="Schedules" error={error} isLoading={isPending} retry={refetch}>
      {data?.length === 0 ? (
        <Empty icon={<CalendarClock className="size-8" />} title="No schedule">
          Ask an agent with the capability “session_schedule” to do something later, or again and again. Its schedules are listed here.
        </Empty>
      ) : (
        <ul className="flex flex-col gap-3">
          {(data ?? []).map((schedule) => (
            <li key={schedule.id}>
              <Schedule schedule={schedule} />
            </li>
          ))}
        </ul>
      )}
    </TabPage>
  );
}

function Schedule({ schedule }: { schedule: Schemas['SessionSchedule'] }) {
  const params = { path: { id: schedule.session_id, schedule_id: schedule.id } };
  const change = useChange(
    (enabled: boolean) => api.patch('/v1/sessions/{id}/schedules/{schedule_id}', { params, body: { enabled } }),
    'session-schedules',
  );
  const trigger = useChange(() => api.post('/v1/sessions/{id}/schedules/{schedule_id}/trigger', { params }), 'session-schedules');
  const remove = useChange(() => api.delete('/v1/sessions/{id}/schedules/{schedule_id}', { params }), 'session-schedules');
  const error = change.error ?? trigger.error ?? remove.error;
  return (
    <Card>
      <div className="flex flex-wrap items-start gap-3">
        <div className="min-w-0 grow basis-64">
          <p className="break-words whitespace-pre-wrap">{schedule.message}</p>
          <p className="mt-1.5 flex flex-wrap items-center gap-x-3 gap-y-1 text-[13px] text-ink-soft">
            <Badge tone={schedule.enabled ? 'good' : 'plain'}>{schedule.enabled ? 'on' : 'off'}</Badge>
            {schedule.cron_expression === undefined ? (
              <span>once</span>
            ) : (
              <code className="font-mono">
                {schedule.cron_expression} ({schedule.timezone})
              </code>
            )}
            {schedule.enabled && schedule.next_trigger_at !== undefined && (
              <span>
                next <Ago at={schedule.next_trigger_at} />
              </span>
            )}
            {schedule.last_triggered_at !== undefined && (
              <span>
                last <Ago at={schedule.last_triggered_at} />
              </span>
            )}
            <span>{schedule.trigger_count} times so far</span>
          </p>
        </div>
        <div className="flex gap-1">
          <Button disabled={change.isPending} onClick={() => change.mutate(!schedule.enabled)}>
            {schedule.enabled ? 'Turn off' : 'Turn on'}
          </Button>
          <Button disabled={trigger.isPending} onClick={() => trigger.mutate()} icon={<Play aria-hidden className="size-4" />}>
            Run now
          </Button>
          <Confirm
            title="Delete this schedule?"
            verb="Delete schedule"
            act={() => remove.mutateAsync().catch(() => undefined)}
            trigger={(ask) => (
              <Button kind="quiet" square aria-label="Delete schedule" onClick={ask} icon={<Trash2 aria-hidden className="size-4" />} />
            )}
          >
            Its message will not be sent any more.
          </Confirm>
        </div>
      </div>
      {error !== null && (
        <div className="mt-3">
          <ErrorNote error={error} />
        </div>
      )}
    </Card>
  );
}
