import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Plus, Wallet } from 'lucide-react';
import { useState } from 'react';
import { usePermission } from '../../data/access.ts';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { Meter } from '../../ui/meter.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card, Section } from '../../ui/page.tsx';
import { Ago } from '../../ui/time.tsx';
import { BudgetForm, LimitsForm, TopUpForm } from './budget-forms.tsx';
import { Ledger } from './budget-ledger.tsx';
import { periodText, spentText, stateOf, sumText, wholeOf } from './budget-state.ts';
import type { Budget } from './queries.ts';
import { useSubjectNames } from './subject-names.ts';

const route = getRouteApi('/settings/usage');

type Doing = { what: 'add' } | { what: 'limits' | 'top-up'; budget: Budget } | null;

export function Budgets() {
  const { budget: shownId, ...search } = route.useSearch();
  const navigate = route.useNavigate();
  const mayManage = usePermission('org:budgets:manage');
  const [doing, setDoing] = useState<Doing>(null);
  const names = useSubjectNames();
  const { data, error, refetch } = useQuery({ queryKey: scoped('budgets'), queryFn: () => api.get('/v1/budgets') });
  const show = (id: string | undefined): void =>
    void navigate({ search: { ...search, ...(id !== undefined && { budget: id }) }, replace: true, resetScroll: false });
  const shown = data?.find(({ id }) => id === shownId);
  const done = (): void => setDoing(null);
  return (
    <Section
      title="Budgets"
      about="A session stops when a budget that it spends from is used up, and goes on when there is room again."
      actions={
        mayManage && (
          <Button icon={<Plus aria-hidden className="size-4" />} onClick={() => setDoing({ what: 'add' })}>
            New budget
          </Button>
        )
      }
    >
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={2} />}
      {data?.length === 0 && (
        <Empty icon={<Wallet aria-hidden className="size-8" />} title="No budget yet">
          Nothing limits what sessions spend. A budget limits one session, an agent, a user or the whole organization, in dollars or tokens.
        </Empty>
      )}
      <div className="grid gap-4 md:grid-cols-2">
        {data?.map((budget) => (
          <BudgetCard key={budget.id} budget={budget} names={names} doing={mayManage ? setDoing : null} onShow={() => show(budget.id)} />
        ))}
      </div>
      <Dialog title="New budget" open={doing?.what === 'add'} onClose={done}>
        <BudgetForm onDone={done} />
      </Dialog>
      <Dialog title="Limits" open={doing?.what === 'limits'} onClose={done}>
        {doing?.what === 'limits' && <LimitsForm budget={doing.budget} onDone={done} />}
      </Dialog>
      <Dialog title="Top up" open={doing?.what === 'top-up'} onClose={done}>
        {doing?.what === 'top-up' && <TopUpForm budget={doing.budget} onDone={done} />}
      </Dialog>
      <Dialog title="Ledger" open={shown !== undefined} onClose={() => show(undefined)}>
        {shown !== undefined && <Ledger budget={shown} />}
      </Dialog>
    </Section>
  );
}

function Subject({ budget: { subject_type: type, subject_id: id }, names }: { budget: Budget; names: ReturnType<typeof useSubjectNames> }) {
  if (type === 'organization') return 'The whole organization';
  if (type === 'user') return names.people.get(id) ?? 'A user';
  if (type === 'agent') {
    return (
      <Link to="/agents/$idOrName" params={{ idOrName: id }} className="hover:underline">
        {names.agents.get(id) ?? 'An agent'}
      </Link>
    );
  }
  return (
    <Link to="/sessions/$sessionId" params={{ sessionId: id }} className="hover:underline">
      A session
    </Link>
  );
}

interface BudgetCardProps {
  budget: Budget;
  names: ReturnType<typeof useSubjectNames>;
  /** Null: the caller may not change it. */
  doing: ((doing: Doing) => void) | null;
  onShow: () => void;
}

function BudgetCard({ budget, names, doing, onShow }: BudgetCardProps) {
  const { currency, soft_limit: soft, period, period_ends_at: ends, spent } = budget;
  const { tone, text } = stateOf(budget);
  return (
    <Card className="flex flex-col gap-3">
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0">
          <h3 className="font-medium break-words">
            <Subject budget={budget} names={names} />
          </h3>
          <p className="text-[13px] text-ink-soft">
            {periodText(period)}
            {ends !== undefined && (
              <>
                , ends <Ago at={ends} />
              </>
            )}
          </p>
        </div>
        <Badge tone={tone}>{text}</Badge>
      </div>
      <div>
        <Meter label="Spent" value={spent} most={wholeOf(budget)} text={spentText(budget)} tone={tone === 'good' ? 'accent' : tone} />
        <p className="mt-1.5 flex flex-wrap justify-between gap-x-3 text-[13px] text-ink-soft tabular-nums">
          <span>{spentText(budget)}</span>
          {soft !== undefined && <span>warns at {sumText(soft, currency)}</span>}
        </p>
      </div>
      <div className="mt-auto flex flex-wrap gap-2">
        <Button kind="quiet" onClick={onShow}>
          Ledger
        </Button>
        {doing !== null && (
          <>
            <Button onClick={() => doing({ what: 'top-up', budget })}>Top up</Button>
            <Button onClick={() => doing({ what: 'limits', budget })}>Limits</Button>
            <DeleteBudget budget={budget} />
          </>
        )}
      </div>
    </Card>
  );
}

function DeleteBudget({ budget: { id } }: { budget: Budget }) {
  const remove = useChange(async () => api.delete('/v1/budgets/{id}', { params: { path: { id } } }), 'budgets');
  return (
    <>
      <Confirm
        title="Delete this budget?"
        verb="Delete"
        act={() => remove.mutate()}
        trigger={(ask) => (
          <Button kind="danger" onClick={ask}>
            Delete
          </Button>
        )}
      >
        Nothing is counted against it any more, and sessions that waited for room go on.
      </Confirm>
      {remove.error !== null && <ErrorNote error={remove.error} />}
    </>
  );
}
