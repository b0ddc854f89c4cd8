import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { MailCheck, RotateCcw } from 'lucide-react';
import { useState } from 'react';
import { api } from '../../data/client.ts';
import { useChange } from '../../data/changes.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { SelectField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { JsonView } from '../sessions/json-view.tsx';
import { OperatorsOnly } from './operators-only.tsx';
import { deadLetters, LETTERS_PER_PAGE } from './queries.ts';
import type { DeadLetter as Letter } from './queries.ts';
import type { DeadLetterSearch } from './routes.ts';

const route = getRouteApi('/operations/dead-letters');
const KINDS = { reason: 'Model call', tool: 'Tool call' } as const;

export function DeadLetters() {
  return (
    <Page title="Dead letters" about="Steps that failed more often than they are tried. They are kept until you requeue them.">
      <OperatorsOnly>
        <Letters />
      </OperatorsOnly>
    </Page>
  );
}

function Letters() {
  const { entry, ...filters } = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch } = useQuery(deadLetters(filters));
  const [said, setSaid] = useState('');
  const requeue = useChange(async ({ id }: Letter) => {
    // It answers with the id of the task, as plain text.
    await api.post('/v1/durable/dlq/{id}/retry', { params: { path: { id } }, parseAs: 'text' });
    setSaid('Requeued. A worker takes it next.');
    await navigate({ search: filters, replace: true });
  }, 'durable');
  const show = (id: string | undefined): void => void navigate({ search: { ...filters, ...(id !== undefined && { entry: id }) } });
  const shown = data?.data.find(({ id }) => id === entry);
  const filter = (kind: string): void => void navigate({ search: kind === '' ? {} : ({ kind } as DeadLetterSearch), replace: true });
  return (
    <>
      <div className="mb-4 flex flex-wrap items-center gap-4">
        <div className="w-full sm:w-48">
          <SelectField
            label="Kind"
            hideLabel
            value={filters.kind ?? ''}
            choices={[{ value: '', label: 'All kinds' }, ...Object.entries(KINDS).map(([value, label]) => ({ value, label: `${label}s` }))]}
            onChange={({ target }) => filter(target.value)}
          />
        </div>
        <p role="status" className="text-sm text-good">
          {said}
        </p>
      </div>
      {(error ?? requeue.error) !== null && (
        <div className="mb-4">
          <ErrorNote error={error ?? requeue.error} {...(error !== null && { retry: () => void refetch() })} />
        </div>
      )}
      {data === undefined && error === null && <Skeleton />}
      {data?.data.length === 0 && (
        <Empty icon={<MailCheck aria-hidden className="size-8" />} title="No dead letters">
          {filters.kind === undefined
            ? 'Steps that go wrong are tried again by themselves. What still fails after that comes here, with its errors.'
            : 'None of this kind.'}
        </Empty>
      )}
      {data !== undefined && data.data.length > 0 && (
        <>
          <Table label="Dead letters" rows={data.data} rowKey={({ id }) => id} columns={columns(show, requeue.mutateAsync)} />
          <Pages total={data.total} page={filters.page ?? 1} onPage={(page) => void navigate({ search: { ...filters, page } })} />
        </>
      )}
      <Dialog title="Dead letter" open={shown !== undefined} onClose={() => show(undefined)}>
        {shown !== undefined && <Detail letter={shown} requeue={requeue.mutateAsync} />}
      </Dialog>
    </>
  );
}

function Pages({ total, page, onPage }: { total: number; page: number; onPage: (page: number) => void }) {
  return (
    <div className="mt-3 flex items-center justify-between text-sm text-ink-soft">
      <p>
        {total} {total === 1 ? 'dead letter' : 'dead letters'}
      </p>
      {total > LETTERS_PER_PAGE && (
        <div className="flex gap-2">
          <Button disabled={page === 1} onClick={() => onPage(page - 1)}>
            Newer
          </Button>
          <Button disabled={page * LETTERS_PER_PAGE >= total} onClick={() => onPage(page + 1)}>
            Older
          </Button>
        </div>
      )}
    </div>
  );
}

const kindText = (type: string): string => KINDS[type as keyof typeof KINDS] ?? type;

function columns(show: (id: string) => void, requeue: (letter: Letter) => Promise<unknown>) {
  return [
    {
      title: 'Error',
      cell: ({ id, last_error: error, activity_type: type }: Letter) => (
        <div className="max-w-[46vw] md:max-w-md">
          <button
            type="button"
            onClick={() => show(id)}
            className="line-clamp-2 cursor-pointer text-left font-medium break-words hover:underline"
          >
            {error === '' ? 'No error was told' : error.slice(0, 300)}
          </button>
          <p className="text-[13px] text-ink-soft">{kindText(type)}</p>
        </div>
      ),
    },
    { title: 'Attempts', cell: ({ attempts }: Letter) => attempts, align: 'right' as const, wide: true },
    { title: 'Given up', cell: ({ dead_at }: Letter) => <Ago at={dead_at} />, wide: true },
    { title: '', align: 'right' as const, cell: (letter: Letter) => <Requeue letter={letter} requeue={requeue} /> },
  ];
}

function Requeue({ letter, requeue }: { letter: Letter; requeue: (letter: Letter) => Promise<unknown> }) {
  return (
    <Confirm
      title="Requeue this step?"
      verb="Requeue"
      keep="Not now"
      kind="primary"
      // What went wrong stands on the page.
      act={() => requeue(letter).catch(() => undefined)}
      trigger={(ask) => (
        <Button icon={<RotateCcw aria-hidden className="size-4" />} onClick={ask}>
          Requeue
        </Button>
      )}
    >
      It is tried again from the beginning, with all its attempts. What it did outside before it failed may be done a second time.
    </Confirm>
  );
}

function Detail({ letter, requeue }: { letter: Letter; requeue: (letter: Letter) => Promise<unknown> }) {
  const { activity_type: type, activity_id: activity, workflow_id: workflow, attempts, dead_at, error_history: errors, input } = letter;
  const facts = [
    ['Kind', <Badge key="kind">{kindText(type)}</Badge>],
    ['Step', <code key="step">{activity}</code>],
    ['Workflow', <code key="workflow">{workflow}</code>],
    ['Attempts', attempts],
    ['Given up', <Ago key="dead" at={dead_at} />],
  ] as const;
  return (
    <div className="flex flex-col gap-5 text-sm">
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-ink-faint">{name}</dt>
            <dd className="min-w-0 text-[13px] break-all">{value}</dd>
          </div>
        ))}
      </dl>
      <section>
        <h3 className="mb-1.5 font-medium">Errors, the first one first</h3>
        <ol className="flex flex-col gap-1.5">
          {errors.map((error, index) => (
            // The same error may come several times, and the order never changes.
            <li key={index} className="flex gap-3 rounded-lg bg-bad-soft px-3 py-2 text-[13px] text-bad">
              <span className="tabular-nums">{index + 1}</span>
              <span className="min-w-0 break-words whitespace-pre-wrap">{error}</span>
            </li>
          ))}
        </ol>
      </section>
      <section>
        <h3 className="font-medium">Input</h3>
        <JsonView value={input} />
      </section>
      <div className="flex justify-end">
        <Requeue letter={letter} requeue={requeue} />
      </div>
    </div>
  );
}
