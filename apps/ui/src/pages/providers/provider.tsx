import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { RefreshCw, Trash2 } from 'lucide-react';
import { useChange, useMay } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Badge, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card, Page, Section } from '../../ui/page.tsx';
import { stateOf, TYPES } from './model-state.ts';
import { ModelTable } from './model-table.tsx';
import { ProviderForm } from './provider-form.tsx';
import { providers } from './queries.ts';
import type { Provider } from './queries.ts';

const route = getRouteApi('/settings/providers/$id');
const modelRoute = getRouteApi('/settings/providers/$id/models/$modelId');

export const ProviderPage = () => <One id={route.useParams().id} modelId={null} />;

export function ModelOfProviderPage() {
  const { id, modelId } = modelRoute.useParams();
  return <One id={id} modelId={modelId} />;
}

function One({ id, modelId }: { id: string; modelId: string | null }) {
  const { data, error, refetch } = useQuery(providers);
  const provider = data?.find((each) => each.id === id);
  if (provider !== undefined) return <Found key={id} provider={provider} modelId={modelId} />;
  return (
    <Page title="Provider">
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton />}
      {data !== undefined && <ErrorNote error={new Error('There is no such provider here. It may have been deleted.')} />}
    </Page>
  );
}

function Found({ provider, modelId }: { provider: Provider; modelId: string | null }) {
  const { manage, destroy } = useMay('provider');
  const { tone, text } = stateOf(provider);
  return (
    <Page
      title={provider.name}
      about={
        <span className="flex flex-wrap items-center gap-2">
          <Link to="/settings/providers" className="text-accent hover:underline">
            All providers
          </Link>
          <span>{TYPES[provider.provider_type] ?? provider.provider_type}</span>
          <Badge tone={tone}>{text}</Badge>
        </span>
      }
      actions={
        <>
          {manage && <Toggle provider={provider} />}
          {destroy && <Remove provider={provider} />}
        </>
      }
    >
      {manage && (
        <Section title={provider.api_key_set ? 'Key and address' : 'Add key'}>
          <Card className="max-w-xl">
            <ProviderForm provider={provider} onDone={() => undefined} />
          </Card>
        </Section>
      )}
      <ModelTable provider={provider} chosenId={modelId} actions={manage && <Sync provider={provider} />} />
    </Page>
  );
}

function Toggle({ provider: { id, status } }: { provider: Provider }) {
  const next = status === 'active' ? 'disabled' : 'active';
  const change = useChange(
    () => api.patch('/v1/providers/{id}', { params: { path: { id } }, body: { status: next } }),
    'providers',
    'models',
  );
  return (
    <>
      {change.error !== null && <ErrorNote error={change.error} />}
      <Button disabled={change.isPending} onClick={() => change.mutate()}>
        {next === 'active' ? 'Enable' : 'Disable'}
      </Button>
    </>
  );
}

function Remove({ provider: { id, name } }: { provider: Provider }) {
  const navigate = useNavigate();
  const remove = useChange(() => api.delete('/v1/providers/{id}', { params: { path: { id } } }));
  // The page goes before what it shows does.
  const leave = async (): Promise<void> => {
    await navigate({ to: '/settings/providers' });
    for (const thing of ['providers', 'models', 'organization']) void queryClient.invalidateQueries({ queryKey: scoped(thing) });
  };
  return (
    <>
      {remove.error !== null && <ErrorNote error={remove.error} />}
      <Confirm
        title={`Delete ${name}?`}
        verb="Delete"
        act={() => remove.mutate(undefined, { onSuccess: () => void leave() })}
        trigger={(ask) => (
          <Button kind="danger" icon={<Trash2 aria-hidden className="size-4" />} disabled={remove.isPending} onClick={ask}>
            Delete
          </Button>
        )}
      >
        Its key and its models are gone for good. Agents that name one of them cannot answer until they get another.
      </Confirm>
    </>
  );
}

function Sync({ provider: { id } }: { provider: Provider }) {
  const sync = useChange(() => api.post('/v1/providers/{id}/sync-models', { params: { path: { id } } }), 'providers', 'models');
  const said =
    sync.data === undefined
      ? ''
      : sync.data.status === 'not_supported'
        ? 'This provider does not list its models: add them by hand.'
        : `${sync.data.created ?? 0} new, ${sync.data.updated ?? 0} changed, ${sync.data.stale ?? 0} gone`;
  return (
    <div className="flex flex-wrap items-center gap-3">
      <p role="status" className="text-sm text-ink-soft">
        {said}
      </p>
      {sync.error !== null && <ErrorNote error={sync.error} />}
      <Button
        icon={<RefreshCw aria-hidden className={`size-4 ${sync.isPending ? 'animate-spin' : ''}`} />}
        disabled={sync.isPending}
        onClick={() => sync.mutate()}
      >
        Sync models
      </Button>
    </div>
  );
}
