import { useQuery } from '@tanstack/react-query';
import { Server } from 'lucide-react';
import { Meter } from '../../ui/meter.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { OperatorsOnly } from './operators-only.tsx';
import { workers } from './queries.ts';
import type { DurableWorkers } from './queries.ts';

type Row = DurableWorkers['data'][number];

export function Workers() {
  return (
    <Page title="Workers" about="The processes that call models and run tools. One that ends gives its work to the others.">
      <OperatorsOnly>
        <WorkerList />
      </OperatorsOnly>
    </Page>
  );
}

function WorkerList() {
  const { data, error, refetch } = useQuery(workers);
  return (
    <>
      {error !== null && (
        <div className="mb-4">
          <ErrorNote error={error} retry={() => void refetch()} />
        </div>
      )}
      {data === undefined && error === null && <Skeleton />}
      {data?.data.length === 0 && (
        <Empty icon={<Server aria-hidden className="size-8" />} title="No worker has come yet">
          Turns wait until one is there. Start one with “everruns worker” and the address and token of this installation.
        </Empty>
      )}
      {data !== undefined && data.data.length > 0 && (
        <>
          <p className="mb-3 text-sm text-ink-soft">{summaryText(data.summary)}</p>
          <Table label="Workers" rows={data.data} rowKey={({ id }) => id} columns={COLUMNS} />
        </>
      )}
    </>
  );
}

function summaryText({ active, draining, stopped, total_load: load, total_capacity: capacity }: DurableWorkers['summary']): string {
  const others = [draining > 0 && `${draining} draining`, stopped > 0 && `${stopped} stopped`].filter((part) => part !== false);
  return `${[`${active} running`, ...others].join(', ')}. ${load.toLocaleString('en')} of ${capacity.toLocaleString('en')} places are taken.`;
}

const TONES: Readonly<Record<Row['status'], Tone>> = { running: 'good', draining: 'warn', stopped: 'plain' };

const COLUMNS = [
  {
    title: 'Worker',
    cell: ({ id, hostname, version, worker_group: group }: Row) => (
      <div className="min-w-28">
        <p className="font-mono text-[13px] font-medium break-all">{id}</p>
        <p className="text-[13px] text-ink-soft">
          {[
            hostname !== undefined && `on ${hostname}`,
            group !== undefined && `group ${group}`,
            version !== undefined && `version ${version}`,
          ]
            .filter((part) => part !== false)
            .join(', ')}
        </p>
      </div>
    ),
  },
  { title: 'State', cell: ({ status }: Row) => <Badge tone={TONES[status]}>{status}</Badge> },
  {
    title: 'Load',
    cell: ({ id, current_load: load, max_concurrency: most }: Row) => (
      <div className="w-24 sm:w-40">
        <p className="mb-1 text-[13px] text-ink-soft tabular-nums">
          {load} of {most}
        </p>
        <Meter label={`Load of ${id}`} value={load} most={most} text={`${load} of ${most}`} tone={load >= most ? 'warn' : 'accent'} />
      </div>
    ),
  },
  {
    title: 'Completed',
    align: 'right' as const,
    wide: true,
    cell: ({ tasks_completed: done }: Row) => <span className="tabular-nums">{done.toLocaleString('en')}</span>,
  },
  {
    title: 'Failed',
    align: 'right' as const,
    wide: true,
    cell: ({ tasks_failed: failed }: Row) => (
      <span className={`tabular-nums ${failed > 0 ? 'text-warn' : ''}`}>{failed.toLocaleString('en')}</span>
    ),
  },
  { title: 'Started', wide: true, cell: ({ started_at }: Row) => <Ago at={started_at} /> },
  { title: 'Last seen', wide: true, cell: ({ last_heartbeat_at }: Row) => <Ago at={last_heartbeat_at} /> },
];
