import { useQuery } from '@tanstack/react-query';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { SelectField } from '../../ui/fields.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { inOrder } from './model-state.ts';
import { models, organization } from './queries.ts';

/** Sets which model answers when nothing else is said. */
export function useDefaultModel() {
  const { data: org, error } = useQuery(organization);
  const change = useChange(
    async (modelId: string | null) => {
      if (org === undefined) return;
      await api.patch('/v1/orgs/{id}', { params: { path: { id: org.id } }, body: { default_model_id: modelId } });
    },
    'organization',
    'preview',
  );
  return { org, error: error ?? change.error, change };
}

export function DefaultModel() {
  const { org, error, change } = useDefaultModel();
  const { data: all } = useQuery(models);
  if (error !== null) return <ErrorNote error={error} />;
  if (org === undefined || all === undefined) return <Skeleton rows={1} />;
  const usable = inOrder(all.filter(({ id, enabled, healthy }) => (enabled && healthy) || id === org.default_model_id));
  const current = change.isPending ? (change.variables ?? '') : (org.default_model_id ?? '');
  return (
    <div className="max-w-md">
      <SelectField
        label="Default model"
        hideLabel
        value={current}
        choices={[
          { value: '', label: 'None chosen' },
          ...usable.map(({ id, display_name, provider_name }) => ({ value: id, label: `${display_name} · ${provider_name}` })),
        ]}
        onChange={({ target }) => change.mutate(target.value === '' ? null : target.value)}
      />
      <p role="status" className="mt-1.5 text-[13px] text-ink-faint">
        {change.isPending ? 'Saving' : change.isSuccess ? 'Saved' : ''}
      </p>
    </div>
  );
}
