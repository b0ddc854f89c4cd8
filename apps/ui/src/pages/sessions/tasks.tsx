import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ListTodo } from 'lucide-react';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card } from '../../ui/page.tsx';
import { Ago } from '../../ui/time.tsx';
import { sessionRoute } from './session-queries.ts';
import { TabPage } from './tab-page.tsx';
import { TaskState } from './task-state.tsx';

const route = getRouteApi('/sessions/$sessionId/tasks');
const REFRESH_MS = 3_000;
const OVER: ReadonlySet<string> = new Set(['succeeded', 'failed', 'canceled']);

export function Tasks() {
  const { sessionId } = sessionRoute.useParams();
  const { data, error, isPending, refetch } = useQuery({
    queryKey: scoped('session-tasks', sessionId),
    queryFn: () => api.get('/v1/sessions/{id}/tasks', { params: { path: { id: sessionId } } }),
    refetchInterval: REFRESH_MS,
  });
  return (
    <TabPage label="Tasks" error={error} isLoading={isPending} retry={refetch}>
      {data?.length === 0 ? (
        <Empty icon={<ListTodo className="size-8" />} title="No task">
          Work that the agent has done beside the conversation, by other agents or in the background, is listed here.
        </Empty>
      ) : (
        <ul className="flex flex-col gap-3">
          {(data ?? []).map((task) => (
            <li key={task.id}>
              <Task task={task} />
            </li>
          ))}
        </ul>
      )}
    </TabPage>
  );
}

function Task({ task }: { task: Schemas['SessionTask'] }) {
  const { task: chosen } = route.useSearch();
  const navigate = route.useNavigate();
  const isOpen = chosen === task.id;
  const cancel = useChange(
    () => api.post('/v1/sessions/{id}/tasks/{task_id}/cancel', { params: { path: { id: task.session_id, task_id: task.id } } }),
    'session-tasks',
  );
  const child = task.links?.child_session_id;
  return (
    <Card>
      <div className="flex flex-wrap items-center gap-3">
        <TaskState state={task.state} />
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => void navigate({ search: isOpen ? {} : { task: task.id }, replace: true })}
          className="min-w-0 cursor-pointer truncate text-left font-medium hover:underline"
        >
          {task.display_name}
        </button>
        <span className="text-[13px] text-ink-faint">
          {task.kind.replaceAll('_', ' ')} · <Ago at={task.updated_at} />
        </span>
        <div className="ml-auto flex items-center gap-3">
          {child !== undefined && (
            <Link to="/sessions/$sessionId" params={{ sessionId: child }} className="text-sm text-accent underline">
              Its session
            </Link>
          )}
          {!OVER.has(task.state) && (
            <Button disabled={cancel.isPending || task.cancel_requested_at !== undefined} onClick={() => cancel.mutate()}>
              Cancel
            </Button>
          )}
        </div>
      </div>
      <Progress task={task} />
      {(task.summary ?? task.state_detail) !== undefined && (
        <p className="mt-2 line-clamp-4 text-sm break-words whitespace-pre-wrap text-ink-soft">{task.summary ?? task.state_detail}</p>
      )}
      {task.error !== undefined && <p className="mt-2 text-sm text-bad">{task.error.message}</p>}
      {task.input_request !== undefined && <p className="mt-2 text-sm text-warn">{task.input_request.prompt}</p>}
      {cancel.error !== null && <ErrorNote error={cancel.error} />}
      {isOpen && <Messages task={task} />}
    </Card>
  );
}

function Progress({ task: { progress } }: { task: Schemas['SessionTask'] }) {
  if (progress?.current === undefined) return null;
  const { current, total, unit = '', label = 'Progress' } = progress;
  return (
    <div className="mt-2 flex items-center gap-3 text-[13px] text-ink-soft">
      <progress aria-label={label} value={total === undefined ? undefined : current} max={total} className="h-1.5 grow accent-accent" />
      {current}
      {total !== undefined && ` of ${total}`} {unit}
    </div>
  );
}

function Messages({ task }: { task: Schemas['SessionTask'] }) {
  const params = { path: { id: task.session_id, task_id: task.id } };
  const { data, error } = useQuery({
    queryKey: scoped('session-tasks', task.session_id, task.id),
    queryFn: () => api.get('/v1/sessions/{id}/tasks/{task_id}', { params }),
    refetchInterval: REFRESH_MS,
  });
  const [text, setText] = useState('');
  const send = useChange(() => api.post('/v1/sessions/{id}/tasks/{task_id}/messages', { params, body: { text } }), 'session-tasks');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    send.mutate(undefined, { onSuccess: () => setText('') });
  };
  return (
    <div className="mt-3 border-t border-line pt-3">
      {error !== null && <ErrorNote error={error} />}
      {data === undefined && error === null && <Skeleton rows={2} />}
      <ul className="flex flex-col gap-2">
        {(data?.messages ?? []).map((message) => (
          <li key={message.id} className="text-sm">
            <p className="text-[13px] text-ink-faint">
              {message.direction === 'inbound' ? 'To the task' : 'From the task'} · <Ago at={message.created_at} />
            </p>
            <p className="break-words whitespace-pre-wrap">
              {message.content.map((part) => (part.type === 'text' ? part.text : JSON.stringify(part.data))).join('\n')}
            </p>
          </li>
        ))}
      </ul>
      {!OVER.has(task.state) && (
        <form onSubmit={submit} className="mt-3 flex items-end gap-2">
          <div className="grow">
            <TextField label="Message to the task" value={text} required onChange={(event) => setText(event.target.value)} />
          </div>
          <Button type="submit" disabled={send.isPending}>
            Send
          </Button>
        </form>
      )}
      {send.error !== null && <ErrorNote error={send.error} />}
    </div>
  );
}
