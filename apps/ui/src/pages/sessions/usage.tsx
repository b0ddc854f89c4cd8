import { useQuery } from '@tanstack/react-query';
import { Gauge } from 'lucide-react';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Empty } from '../../ui/notes.tsx';
import { Card, Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { sessionQuery, sessionRoute } from './session-queries.ts';
import { TabPage } from './tab-page.tsx';
import { costText, number } from './usage-text.ts';

export function Usage() {
  const { sessionId } = sessionRoute.useParams();
  const session = useQuery(sessionQuery(sessionId));
  const report = useQuery({
    queryKey: scoped('session', sessionId, 'context-report'),
    queryFn: () => api.get('/v1/sessions/{id}/context-report', { params: { path: { id: sessionId } } }),
  });
  const budgets = useQuery({
    queryKey: scoped('session', sessionId, 'budgets'),
    queryFn: () => api.get('/v1/sessions/{id}/budgets', { params: { path: { id: sessionId } } }),
  });
  const retry = (): unknown => Promise.all([report.refetch(), budgets.refetch(), session.refetch()]);
  return (
    <TabPage label="Cost and context" error={report.error ?? budgets.error} isLoading={session.isPending} retry={retry}>
      {session.data !== undefined && <Spent usage={session.data.usage} />}
      {report.data !== undefined && <Context report={report.data} />}
      <Section title="Budgets" about="What this session may spend, also those of its agent, user and organization that count.">
        {budgets.data?.length === 0 ? (
          <p className="text-sm text-ink-soft">None. The session may spend what it needs.</p>
        ) : (
          <Table label="Budgets" rows={budgets.data ?? []} rowKey={({ id }) => id} columns={BUDGET_COLUMNS} />
        )}
      </Section>
    </TabPage>
  );
}

function Spent({ usage }: { usage: Schemas['Session']['usage'] }) {
  const cells = [
    ['Tokens in', number(usage.input_tokens)],
    ['From the cache', number(usage.cache_read_tokens ?? 0)],
    ['Tokens out', number(usage.output_tokens)],
    ['Cost', costText(usage) ?? 'not known'],
  ] as const;
  return (
    <Section title="Spent so far">
      <dl className="grid grid-cols-2 gap-3 md:grid-cols-4">
        {cells.map(([name, value]) => (
          <Card key={name}>
            <dt className="text-[13px] text-ink-faint">{name}</dt>
            <dd className="mt-1 text-xl font-semibold tabular-nums">{value}</dd>
          </Card>
        ))}
      </dl>
    </Section>
  );
}

function Context({ report }: { report: Schemas['ContextReport'] }) {
  const { estimated_input_tokens: used, context_window_tokens: whole, model } = report;
  const percent = whole === undefined ? null : Math.min(100, (used / whole) * 100);
  const most = Math.max(1, ...report.sections.map(({ tokens }) => tokens));
  return (
    <Section
      title="Context of the next call"
      about={`About ${number(used)} tokens for ${model}${whole === undefined ? '' : ` of ${number(whole)} that it takes`}.`}
    >
      {report.sections.length === 0 ? (
        <Empty icon={<Gauge className="size-8" />} title="Nothing to send yet" />
      ) : (
        <Card>
          {percent !== null && (
            <div className="mb-4">
              <div aria-hidden className="h-2 overflow-hidden rounded-full bg-sunken">
                <div className={`h-full rounded-full ${percent > 80 ? 'bg-warn' : 'bg-accent'}`} style={{ width: `${percent}%` }} />
              </div>
              <p className="mt-1 text-[13px] text-ink-faint">{percent.toFixed(1)} % of the window</p>
            </div>
          )}
          <ul className="flex flex-col gap-3">
            {report.sections.map((section) => (
              <SectionRow
                key={section.key}
                section={section}
                most={most}
                parts={report.contributions.filter(({ section_key: key }) => key === section.key)}
              />
            ))}
          </ul>
        </Card>
      )}
    </Section>
  );
}

interface SectionRowProps {
  section: Schemas['ContextReport']['sections'][number];
  most: number;
  parts: Schemas['ContextReport']['contributions'];
}

function SectionRow({ section, most, parts }: SectionRowProps) {
  return (
    <li>
      <details>
        <summary className="grid cursor-pointer grid-cols-[minmax(0,10rem)_1fr_5rem] items-center gap-3 text-sm">
          <span className="truncate">{section.label}</span>
          <span aria-hidden className="h-2 rounded-full bg-sunken">
            <span className="block h-full rounded-full bg-accent" style={{ width: `${(section.tokens / most) * 100}%` }} />
          </span>
          <span className="text-right tabular-nums">{number(section.tokens)}</span>
        </summary>
        <ul className="mt-2 ml-4 flex flex-col gap-1 text-[13px] text-ink-soft">
          {parts.map((part) => (
            <li key={part.source_id} className="flex justify-between gap-3">
              <span className="truncate">{part.label}</span>
              <span className="tabular-nums">{number(part.tokens)}</span>
            </li>
          ))}
          {parts.length === 0 && (
            <li>
              {section.items} {section.items === 1 ? 'item' : 'items'}
            </li>
          )}
        </ul>
      </details>
    </li>
  );
}

const BUDGET_COLUMNS = [
  { title: 'For', cell: (budget: Schemas['Budget']) => budget.subject_type },
  { title: 'State', cell: (budget: Schemas['Budget']) => budget.status },
  {
    title: 'Left',
    align: 'right' as const,
    cell: (budget: Schemas['Budget']) => `${number(budget.balance)} of ${number(budget.limit)} ${budget.currency}`,
  },
];
