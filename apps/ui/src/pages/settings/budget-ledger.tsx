import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { sumText } from './budget-state.ts';
import type { Budget } from './queries.ts';

type Entry = Schemas['LedgerEntry'];

const MOST = 100;

/** What was spent and added, the newest first. */
export function Ledger({ budget: { id, currency } }: { budget: Budget }) {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('budgets', id, 'ledger'),
    queryFn: () => api.get('/v1/budgets/{id}/ledger', { params: { path: { id }, query: { limit: MOST, offset: 0 } } }),
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton />;
  if (data.length === 0) return <p className="text-sm text-ink-soft">Nothing was spent or added yet.</p>;
  return (
    <Table
      label="Ledger"
      rows={data}
      rowKey={({ id: key }) => key}
      columns={[
        { title: 'When', cell: ({ created_at }: Entry) => <Ago at={created_at} /> },
        { title: 'What', cell: (entry: Entry) => <What entry={entry} /> },
        {
          title: 'Amount',
          align: 'right' as const,
          cell: ({ amount }: Entry) => (
            <span className={`tabular-nums ${amount > 0 ? 'text-good' : ''}`}>
              {amount > 0 ? '+' : ''}
              {sumText(amount, currency)}
            </span>
          ),
        },
      ]}
    />
  );
}

function What({ entry: { meter_source: source, session_id: sessionId, description } }: { entry: Entry }) {
  if (source === 'top_up') return description ?? 'Topped up';
  if (sessionId === undefined) return 'Model call';
  return (
    <Link to="/sessions/$sessionId" params={{ sessionId }} className="hover:underline">
      Model call
    </Link>
  );
}
