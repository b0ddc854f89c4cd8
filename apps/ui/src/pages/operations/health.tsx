import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { buttonClasses } from '../../ui/button.tsx';
import { Meter } from '../../ui/meter.tsx';
import { Badge, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';
import { Card, Page } from '../../ui/page.tsx';
import { concernsOf } from './attention.ts';
import type { Concern } from './attention.ts';
import { OperatorsOnly } from './operators-only.tsx';
import { health } from './queries.ts';
import type { DurableHealth } from './queries.ts';

export function Health() {
  return (
    <Page title="Health" about="The engine under all sessions of this installation, as it is now.">
      <OperatorsOnly>
        <Now />
      </OperatorsOnly>
    </Page>
  );
}

function Now() {
  const { data, error, refetch } = useQuery(health);
  // What was known last stays, under the note that it may be old.
  return (
    <>
      {error !== null && (
        <div className="mb-5">
          <ErrorNote error={error} retry={() => void refetch()} />
        </div>
      )}
      {data === undefined && error === null && <Skeleton rows={6} />}
      {data !== undefined && <Figures figures={data} />}
    </>
  );
}

function Figures({ figures }: { figures: DurableHealth }) {
  const concerns = concernsOf(figures);
  return (
    <>
      <div role="status" className="flex flex-col gap-3">
        {concerns.map((concern) => (
          <ConcernNote key={concern.key} concern={concern} />
        ))}
      </div>
      <div className={`grid gap-4 sm:grid-cols-2 ${concerns.length > 0 ? 'mt-5' : ''}`}>
        <SystemCard figures={figures} />
        <WorkerCard figures={figures} />
        <CountCard
          title="Tasks"
          about="Model calls and tool calls: what workers do."
          counts={[
            ['Waiting', figures.pending_tasks],
            ['At work', figures.claimed_tasks],
            ['Completed', figures.completed_tasks],
            ['Failed', figures.failed_tasks, 'warn'],
          ]}
        />
        <CountCard
          title="Workflows"
          about="Turns and what runs on its own: they consist of tasks."
          counts={[
            ['Waiting', figures.pending_workflows],
            ['Running', figures.running_workflows],
            ['Completed', figures.completed_workflows],
            ['Failed', figures.failed_workflows, 'warn'],
          ]}
        />
      </div>
    </>
  );
}

function ConcernNote({ concern: { key, tone, title, text } }: { concern: Concern }) {
  return (
    <div className={`flex flex-wrap items-center gap-3 rounded-xl px-4 py-3 ${tone === 'bad' ? 'bg-bad-soft' : 'bg-warn-soft'}`}>
      <TriangleAlert aria-hidden className={`size-5 shrink-0 ${tone === 'bad' ? 'text-bad' : 'text-warn'}`} />
      <div className="min-w-0 grow basis-60 text-sm">
        <p className={`font-semibold ${tone === 'bad' ? 'text-bad' : 'text-warn'}`}>{title}</p>
        <p className="text-ink-soft">{text}</p>
      </div>
      <Link to={key === 'dead-letters' ? '/operations/dead-letters' : '/operations/workers'} className={buttonClasses()}>
        {key === 'dead-letters' ? 'Look at them' : 'To the workers'}
      </Link>
    </div>
  );
}

const STATES: Readonly<Record<DurableHealth['status'], { tone: Tone; text: string; about: string }>> = {
  healthy: { tone: 'good', text: 'healthy', about: 'Workers are there and take what comes.' },
  degraded: { tone: 'warn', text: 'degraded', about: 'Nobody waits, but no worker is there for the next turn.' },
  unhealthy: { tone: 'bad', text: 'unhealthy', about: 'Turns wait and no worker is there.' },
};

function CardTitle({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="mb-1 flex items-center justify-between gap-3">
      <h2 className="font-semibold">{title}</h2>
      {children}
    </div>
  );
}

function SystemCard({ figures }: { figures: DurableHealth }) {
  const { status, current_load: load, total_capacity: capacity, load_percentage: percent } = figures;
  const { tone, text, about } = STATES[status];
  const loadText = `${load.toLocaleString('en')} of ${capacity.toLocaleString('en')} places taken`;
  return (
    <Card>
      <CardTitle title="System">
        <Badge tone={tone}>{text}</Badge>
      </CardTitle>
      <p className="mb-4 text-sm text-ink-soft">{about}</p>
      <Meter label="Load" value={load} most={capacity} text={loadText} tone={percent >= 90 ? 'warn' : 'accent'} />
      <p className="mt-1.5 flex justify-between gap-2 text-[13px] text-ink-soft">
        <span>{loadText}</span>
        <span className="tabular-nums">{percent} %</span>
      </p>
    </Card>
  );
}

function WorkerCard({
  figures: { active_workers: active, workers_accepting: accepting, total_workers: total },
}: {
  figures: DurableHealth;
}) {
  return (
    <Card>
      <CardTitle title="Workers">
        <Link to="/operations/workers" className="text-sm font-medium text-accent hover:underline">
          All workers
        </Link>
      </CardTitle>
      <p className="mb-4 text-sm text-ink-soft">They run turns. Any of them can take over from another.</p>
      <Counts
        counts={[
          ['Running', active, active === 0 ? 'bad' : 'plain'],
          ['Take tasks', accepting, accepting === 0 ? 'bad' : 'plain'],
          ['Not running', total - active],
        ]}
      />
    </Card>
  );
}

type Count = readonly [name: string, count: number, tone?: 'plain' | 'warn' | 'bad'];

function CountCard({ title, about, counts }: { title: string; about: string; counts: readonly Count[] }) {
  return (
    <Card>
      <CardTitle title={title} />
      <p className="mb-4 text-sm text-ink-soft">{about}</p>
      <Counts counts={counts} />
    </Card>
  );
}

function Counts({ counts }: { counts: readonly Count[] }) {
  return (
    <dl className="grid grid-cols-2 gap-3 md:grid-cols-4">
      {counts.map(([name, count, tone = 'plain']) => (
        <div key={name}>
          <dt className="text-[13px] text-ink-faint">{name}</dt>
          <dd
            className={`text-xl font-semibold tabular-nums ${count > 0 && tone === 'warn' ? 'text-warn' : tone === 'bad' ? 'text-bad' : ''}`}
          >
            {count.toLocaleString('en')}
          </dd>
        </div>
      ))}
    </dl>
  );
}
