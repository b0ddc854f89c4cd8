import { useQuery } from '@tanstack/react-query';
import { Plus, Star, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { FormEvent, ReactNode } from 'react';
import { fieldError, useChange, useMay } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { useDefaultModel } from './default-model.tsx';
import { inOrder, tokens } from './model-state.ts';
import { models } from './queries.ts';
import type { Model, Provider } from './queries.ts';

interface ModelTableProps {
  provider: Provider;
  /** The one that a link led to. */
  chosenId: string | null;
  actions: ReactNode;
}

export function ModelTable({ provider, chosenId, actions }: ModelTableProps) {
  const { data, error, refetch } = useQuery(models);
  const { manage } = useMay('model');
  const { org, change: setDefault, error: defaultError } = useDefaultModel();
  const [isAdding, setAdding] = useState(false);
  const update = useChange(
    ({ id, ...body }: { id: string; enabled?: boolean; is_favorite?: boolean }) =>
      api.patch('/v1/models/{id}', { params: { path: { id } }, body }),
    'models',
  );
  const remove = useChange((id: string) => api.delete('/v1/models/{id}', { params: { path: { id } } }), 'models');
  const failure = update.error ?? remove.error ?? defaultError;
  const rows = inOrder((data ?? []).filter(({ provider_id }) => provider_id === provider.id));
  const columns = columnsOf({
    chosenId,
    mayChange: manage,
    defaultId: org?.default_model_id,
    update: update.mutate,
    remove: remove.mutate,
    makeDefault: setDefault.mutate,
  });
  return (
    <Section
      title="Models"
      about="Only enabled ones can be chosen. Favourites come first."
      actions={
        <div className="flex flex-wrap items-center gap-2">
          {actions}
          {manage && (
            <Button icon={<Plus aria-hidden className="size-4" />} onClick={() => setAdding(true)}>
              Add model
            </Button>
          )}
        </div>
      }
    >
      {failure !== null && (
        <div className="mb-3">
          <ErrorNote error={failure} />
        </div>
      )}
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton />}
      {data !== undefined && rows.length === 0 && (
        <Empty title="No models yet">Sync them once the key is there, or add one by the name that the provider gives it.</Empty>
      )}
      {rows.length > 0 && <Table label="Models" rows={rows} rowKey={({ id }) => id} columns={columns} />}
      <Dialog title="Add model" open={isAdding} onClose={() => setAdding(false)}>
        <ModelForm providerId={provider.id} onDone={() => setAdding(false)} />
      </Dialog>
    </Section>
  );
}

interface ColumnSettings {
  chosenId: string | null;
  mayChange: boolean;
  defaultId: string | undefined;
  update: (change: { id: string; enabled?: boolean; is_favorite?: boolean }) => void;
  remove: (id: string) => void;
  makeDefault: (id: string) => void;
}

function columnsOf({ chosenId, mayChange, defaultId, update, remove, makeDefault }: ColumnSettings) {
  return [
    {
      title: 'Model',
      cell: (model: Model) => <ModelName model={model} isChosen={model.id === chosenId} isDefault={model.id === defaultId} />,
    },
    {
      title: 'Context',
      wide: true,
      align: 'right' as const,
      cell: ({ profile }: Model) => (profile?.limits === undefined ? '' : tokens(profile.limits.context)),
    },
    {
      title: '$ per 1M in / out',
      wide: true,
      align: 'right' as const,
      cell: ({ profile }: Model) => (profile?.cost === undefined ? '' : `${profile.cost.input} / ${profile.cost.output}`),
    },
    {
      title: 'Favourite',
      cell: ({ id, display_name, is_favorite }: Model) => (
        <button
          type="button"
          disabled={!mayChange}
          aria-pressed={is_favorite}
          aria-label={`Favourite: ${display_name}`}
          onClick={() => update({ id, is_favorite: !is_favorite })}
          className="grid size-8 cursor-pointer place-items-center rounded-lg hover:bg-sunken"
        >
          <Star aria-hidden className={`size-4 ${is_favorite ? 'fill-current text-warn' : 'text-ink-faint'}`} />
        </button>
      ),
    },
    {
      title: 'Enabled',
      cell: ({ id, display_name, enabled }: Model) => (
        <input
          type="checkbox"
          disabled={!mayChange}
          aria-label={`Enabled: ${display_name}`}
          checked={enabled}
          onChange={({ target }) => update({ id, enabled: target.checked })}
          className="size-4 accent-accent"
        />
      ),
    },
    {
      title: '',
      align: 'right' as const,
      cell: ({ id, display_name, enabled, source }: Model) => (
        <div className="flex justify-end gap-1">
          {mayChange && enabled && defaultId !== id && (
            <Button kind="quiet" aria-label={`Make ${display_name} the default`} onClick={() => makeDefault(id)}>
              Make default
            </Button>
          )}
          {mayChange && source === 'manual' && (
            <Button kind="quiet" square aria-label={`Remove ${display_name}`} onClick={() => remove(id)}>
              <Trash2 aria-hidden className="size-4" />
            </Button>
          )}
        </div>
      ),
    },
  ];
}

function ModelName({ model, isChosen, isDefault }: { model: Model; isChosen: boolean; isDefault: boolean }) {
  return (
    <div className="min-w-40" {...(isChosen && { 'aria-current': 'true' as const })}>
      <div className="flex flex-wrap items-center gap-1.5">
        <span className={`font-medium ${isChosen ? 'text-accent' : ''}`}>{model.display_name}</span>
        {isDefault && <Badge tone="accent">default</Badge>}
        {model.stale === true && <Badge tone="warn">gone at the provider</Badge>}
        {model.source === 'manual' && <Badge>added by hand</Badge>}
      </div>
      <p className="font-mono text-[13px] break-all text-ink-soft">{model.model_id}</p>
    </div>
  );
}

function ModelForm({ providerId, onDone }: { providerId: string; onDone: () => void }) {
  const [modelId, setModelId] = useState('');
  const [title, setTitle] = useState('');
  const add = useChange(
    () =>
      api.post('/v1/providers/{id}/models', {
        params: { path: { id: providerId } },
        body: { model_id: modelId.trim(), display_name: title.trim() === '' ? modelId.trim() : title.trim() },
      }),
    'models',
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    add.mutate(undefined, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label="Name at the provider"
        required
        className="font-mono"
        placeholder="llama-3.3-70b"
        value={modelId}
        error={fieldError(add.error, 'model_id')}
        onChange={(event) => setModelId(event.target.value)}
      />
      <TextField label="Title" hint="As people see it." value={title} onChange={(event) => setTitle(event.target.value)} />
      {add.error !== null && <ErrorNote error={add.error} />}
      <Button kind="primary" type="submit" className="self-end" disabled={add.isPending}>
        Add model
      </Button>
    </form>
  );
}
