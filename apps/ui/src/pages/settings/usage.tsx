import { keepPreviousData, useQueries, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ChartColumn } from 'lucide-react';
import { useState } from 'react';
import { usePermission } from '../../data/access.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { SelectField } from '../../ui/fields.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card, Page, Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Budgets } from './budgets.tsx';
import { PERIODS, piecesOf, pieceText } from './periods.ts';
import type { Period, Piece } from './periods.ts';
import type { UsageSearch } from './routes.ts';
import { UsageChart } from './usage-chart.tsx';
import { amountOf, amountText, GROUPS, MEASURES, wholeText } from './usage-words.ts';
import type { Measure, UsageGroup } from './usage-words.ts';

type Report = Schemas['UsageReport'];

const MOST_ROWS = 50;
const STALE_MS = 60_000;
const route = getRouteApi('/settings/usage');

export function UsageAndBudgets() {
  const seesUsage = usePermission('org:reports:view');
  const seesBudgets = usePermission('org:budgets:view');
  return (
    <Page title="Usage and budgets" about="What this organization has used, and what it may.">
      {seesUsage && <Usage />}
      {seesBudgets && <Budgets />}
    </Page>
  );
}

function Usage() {
  const search = route.useSearch();
  const { period = '7d', by = 'agent', measure = 'tokens' } = search;
  const navigate = route.useNavigate();
  const choose = (change: UsageSearch): void => void navigate({ search: { ...search, ...change }, replace: true, resetScroll: false });
  // What is looked at does not move while it is looked at.
  const [now] = useState(() => new Date());
  const pieces = piecesOf(period, now);
  return (
    <Section title="Usage" about="By the day on which sessions began.">
      <div className="mb-4 grid grid-cols-2 gap-3 sm:max-w-lg sm:grid-cols-3">
        <SelectField
          label="Time"
          value={period}
          choices={Object.entries(PERIODS).map(([value, { title }]) => ({ value, label: title }))}
          onChange={({ target }) => choose({ period: target.value as Period })}
        />
        <SelectField
          label="Of each"
          value={by}
          choices={Object.entries(GROUPS).map(([value, { title }]) => ({ value, label: title }))}
          onChange={({ target }) => choose({ by: target.value as UsageGroup })}
        />
        <SelectField
          label="Chart shows"
          value={measure}
          choices={Object.entries(MEASURES).map(([value, label]) => ({ value, label }))}
          onChange={({ target }) => choose({ measure: target.value as Measure })}
        />
      </div>
      <Days pieces={pieces} measure={measure} />
      <Groups by={by} pieces={pieces} />
    </Section>
  );
}

function reportQuery({ from, to }: Piece, by: UsageGroup, limit: number) {
  const query = { group_by: by, from: from.toISOString(), to: to.toISOString(), limit };
  return {
    queryKey: scoped('usage', query),
    queryFn: () => api.get('/v1/usage', { params: { query } }),
    staleTime: STALE_MS,
    placeholderData: keepPreviousData,
  };
}

/** One sum for each piece of the time. */
function Days({ pieces, measure }: { pieces: readonly Piece[]; measure: Measure }) {
  const answers = useQueries({ queries: pieces.map((piece) => reportQuery(piece, 'agent', 1)) });
  const error = answers.find((answer) => answer.error !== null)?.error ?? null;
  if (error !== null) return <ErrorNote error={error} retry={() => void Promise.all(answers.map(({ refetch }) => refetch()))} />;
  if (answers.some(({ data }) => data === undefined)) return <div className="h-64 animate-pulse rounded-xl bg-sunken" />;
  const bars = pieces.flatMap((piece, index) => {
    const report = answers[index]?.data;
    return report === undefined ? [] : [{ name: pieceText(piece), amount: amountOf(report.total, measure) }];
  });
  return (
    <div className="mb-4 grid gap-4 lg:grid-cols-[1fr_16rem]">
      <UsageChart bars={bars} measure={measure} />
      <details open className="rounded-xl border border-line bg-surface text-sm">
        <summary className="cursor-pointer px-4 py-2.5 text-[13px] font-medium text-ink-faint">As numbers</summary>
        <table className="mb-2 w-full">
          <caption className="sr-only">{MEASURES[measure]} by time</caption>
          <tbody>
            {bars.map(({ name, amount }) => (
              <tr key={name}>
                <th scope="row" className="px-4 py-1 text-left font-normal whitespace-nowrap text-ink-soft">
                  {name}
                </th>
                <td className="px-4 py-1 text-right tabular-nums">{amountText(amount, measure)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </div>
  );
}

function Groups({ by, pieces }: { by: UsageGroup; pieces: readonly Piece[] }) {
  const whole = { from: (pieces[0] as Piece).from, to: (pieces.at(-1) as Piece).to };
  const { data, error, refetch } = useQuery(reportQuery(whole, by, MOST_ROWS));
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton />;
  if (data.data.length === 0) {
    return (
      <Empty icon={<ChartColumn aria-hidden className="size-8" />} title="Nothing was used in this time">
        Sessions that begin in it are counted here, with the tokens that models read and wrote for them.
      </Empty>
    );
  }
  return (
    <>
      <Card className="mb-4 grid grid-cols-2 gap-4 sm:grid-cols-4">
        {figuresOf(data.total).map(([name, value]) => (
          <dl key={name}>
            <dt className="text-[13px] text-ink-faint">{name}</dt>
            <dd className="text-lg font-semibold tabular-nums">{value}</dd>
          </dl>
        ))}
      </Card>
      <Table label={`Usage by ${by}`} rows={data.data} rowKey={({ id }) => id ?? 'none'} columns={columns(data.group_by)} />
      {data.data.length === MOST_ROWS && <p className="mt-2 text-sm text-ink-soft">The first {MOST_ROWS}; the sums above are of all.</p>}
    </>
  );
}

function figuresOf(total: Report['total']): readonly (readonly [string, string])[] {
  return [
    ['Sessions', wholeText(total.session_count)],
    ['Tokens in', wholeText(total.usage.input_tokens)],
    ['Tokens out', wholeText(total.usage.output_tokens)],
    ['Cost', amountText(amountOf(total, 'cost'), 'cost')],
  ];
}

type Row = Report['data'][number];

function columns(by: UsageGroup) {
  const right = (title: string, text: (row: Row) => string, wide = true) => ({
    title,
    align: 'right' as const,
    wide,
    cell: (row: Row) => <span className="tabular-nums">{text(row)}</span>,
  });
  return [
    { title: GROUPS[by].title, cell: (row: Row) => <GroupName by={by} row={row} /> },
    right('Sessions', (row) => wholeText(row.session_count)),
    right('Tokens in', ({ usage }) => wholeText(usage.input_tokens)),
    right('Tokens out', ({ usage }) => wholeText(usage.output_tokens)),
    right('Cost', (row) => amountText(amountOf(row, 'cost'), 'cost'), false),
  ];
}

function GroupName({ by, row: { id, name } }: { by: UsageGroup; row: Row }) {
  // Sessions without a title are told apart by the end of their id.
  const text = name ?? (by === 'session' && id !== undefined ? `${GROUPS[by].none} …${id.slice(-6)}` : GROUPS[by].none);
  const look = 'font-medium break-words hover:underline';
  if (id !== undefined && by === 'session') {
    return (
      <Link to="/sessions/$sessionId" params={{ sessionId: id }} className={look}>
        {text}
      </Link>
    );
  }
  if (id !== undefined && by === 'agent') {
    return (
      <Link to="/agents/$idOrName" params={{ idOrName: id }} className={look}>
        {text}
      </Link>
    );
  }
  return <span className={name === undefined ? 'text-ink-faint' : 'font-medium break-words'}>{text}</span>;
}
