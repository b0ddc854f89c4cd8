import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { KeyRound, Plus } from 'lucide-react';
import type { ReactNode } from 'react';
import { useMay } from '../../data/changes.ts';
import { Button, buttonClasses } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page, Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { DefaultModel } from './default-model.tsx';
import { nextStep, stateOf, TYPES } from './model-state.ts';
import { ProviderForm } from './provider-form.tsx';
import { models, organization, providers } from './queries.ts';
import type { Provider } from './queries.ts';

export function Providers() {
  const { data, error, refetch } = useQuery(providers);
  const { manage } = useMay('provider');
  const { add } = useSearch({ from: '/settings/providers' });
  const navigate = useNavigate();
  const open = (isOpen: boolean): void => void navigate({ to: '/settings/providers', search: isOpen ? { add: true } : {} });
  return (
    <Page
      title="Providers and models"
      about="Who answers for your agents. Keys are stored encrypted and never shown again."
      actions={
        manage && (
          <Button kind="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => open(true)}>
            Add provider
          </Button>
        )
      }
    >
      <NextStepNote onAdd={manage ? () => open(true) : null} />
      <Section title="Providers">
        {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton />}
        {data !== undefined && data.length === 0 && (
          <Empty icon={<KeyRound aria-hidden className="size-8" />} title="No provider yet">
            A provider is a company or a server that runs language models. Add one with its key.
          </Empty>
        )}
        {data !== undefined && data.length > 0 && <Table label="Providers" rows={data} rowKey={({ id }) => id} columns={COLUMNS} />}
      </Section>
      <Section title="Default model" about="It answers where neither the message, the session, the agent nor the harness names another.">
        <DefaultModel />
      </Section>
      <Dialog title="Add provider" open={add === true} onClose={() => open(false)}>
        <ProviderForm provider={null} onDone={({ id }) => void navigate({ to: '/settings/providers/$id', params: { id } })} />
      </Dialog>
    </Page>
  );
}

/** Leads to the first key, and from there to the first real answer. */
function NextStepNote({ onAdd }: { onAdd: (() => void) | null }) {
  const { data: all } = useQuery(models);
  const { data: org } = useQuery(organization);
  if (all === undefined || org === undefined) return null;
  const step = nextStep(all, org.default_model_id);
  if (step === 'nothing') return null;
  if (step === 'choose-default') {
    return (
      <Note title="Choose the default model">
        A key is there. Say below which model answers when nothing else is said; until then agents without a model of their own may get
        simulated answers or none.
      </Note>
    );
  }
  return (
    <Note
      title="Answers are simulated until you add a key"
      action={
        onAdd !== null && (
          <Button kind="primary" onClick={onAdd}>
            Add your first key
          </Button>
        )
      }
    >
      Everything else works: files, tools, schedules. Take a key of OpenAI, Anthropic, Google or any OpenAI-compatible server. You can check
      it before you keep it, and its models appear by themselves.
    </Note>
  );
}

function Note({ title, action, children }: { title: string; action?: ReactNode; children: ReactNode }) {
  return (
    <div className="mb-8 flex flex-wrap items-center gap-4 rounded-xl bg-accent-soft px-5 py-4">
      <div className="min-w-0 grow basis-80">
        <h2 className="font-semibold text-accent">{title}</h2>
        <p className="mt-1 max-w-prose text-sm text-ink-soft">{children}</p>
      </div>
      {action}
    </div>
  );
}

const COLUMNS = [
  {
    title: 'Name',
    cell: ({ id, name, provider_type, base_url }: Provider) => (
      <div className="min-w-32">
        <Link to="/settings/providers/$id" params={{ id }} className="font-medium hover:underline">
          {name}
        </Link>
        <p className="text-[13px] break-all text-ink-soft">{base_url ?? TYPES[provider_type] ?? provider_type}</p>
      </div>
    ),
  },
  {
    title: 'State',
    cell: (provider: Provider) => {
      const { tone, text } = stateOf(provider);
      return <Badge tone={tone}>{text}</Badge>;
    },
  },
  {
    title: 'Models synced',
    wide: true,
    cell: ({ last_synced_at }: Provider) =>
      last_synced_at === undefined ? <span className="text-ink-faint">never</span> : <Ago at={last_synced_at} />,
  },
  {
    title: '',
    align: 'right' as const,
    cell: ({ id, name, api_key_set, provider_type }: Provider) => (
      <Link to="/settings/providers/$id" params={{ id }} className={buttonClasses()}>
        {api_key_set || provider_type === 'llmsim' ? 'Open' : 'Add key'}
        <span className="sr-only">: {name}</span>
      </Link>
    ),
  },
];
