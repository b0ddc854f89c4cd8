import { useQuery } from '@tanstack/react-query';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card } from '../../ui/page.tsx';
import { Ago, duration } from '../../ui/time.tsx';
import { CALLS } from './kinds.ts';
import type { Kind } from './kinds.ts';

const NUMBER = new Intl.NumberFormat('en');
const MONEY = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumFractionDigits: 4 });

/** What it has done so far. */
export function Stats({ kind, id }: { kind: Kind; id: string }) {
  const { data, error, refetch } = useQuery({ queryKey: scoped(CALLS[kind].things, 'stats', id), queryFn: () => CALLS[kind].stats(id) });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={3} />;
  return (
    <dl className="grid grid-cols-2 gap-3 md:grid-cols-4">
      {factsOf(data).map(({ name, value, note }) => (
        <Card key={name}>
          <dt className="text-[13px] text-ink-faint">{name}</dt>
          <dd className="mt-1 text-xl font-semibold tabular-nums">{value}</dd>
          {note !== undefined && <dd className="mt-0.5 text-[13px] text-ink-soft">{note}</dd>}
        </Card>
      ))}
    </dl>
  );
}

function factsOf(stats: Schemas['ResourceStats']) {
  return [
    { name: 'Sessions', value: NUMBER.format(stats.session_count), note: `${stats.active_session_count} working now` },
    { name: 'Waiting for somebody', value: NUMBER.format(stats.waiting_for_tool_results_session_count) },
    { name: 'Turns', value: NUMBER.format(stats.execution_count) },
    {
      name: 'Last turn',
      value: stats.last_execution_at === undefined ? 'never' : <Ago at={stats.last_execution_at} />,
    },
    {
      name: 'Tokens in',
      value: NUMBER.format(stats.total_input_tokens),
      note: `${NUMBER.format(stats.total_cache_read_tokens)} from caches`,
    },
    { name: 'Tokens out', value: NUMBER.format(stats.total_output_tokens) },
    { name: 'Cost', value: MONEY.format(stats.total_cost_usd) },
    {
      name: 'A session takes',
      value: stats.avg_session_duration_ms === undefined ? 'not known' : duration(stats.avg_session_duration_ms),
      note: 'on average',
    },
  ];
}
