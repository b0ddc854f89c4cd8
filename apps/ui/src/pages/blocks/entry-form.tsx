import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { SelectField, TextArea, TextField } from '../../ui/fields.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';

type Entry = Schemas['KnowledgeEntry'];
const KINDS: readonly Entry['kind'][] = ['note', 'table', 'business', 'query', 'runbook'];

interface EntryFormProps {
  baseId: string;
  /** Null: a new one. */
  entryId: string | null;
  onDone: () => void;
}

export function EntryForm({ baseId, entryId, onDone }: EntryFormProps) {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('knowledge', 'entry', baseId, entryId),
    queryFn: () => api.get('/v1/knowledge-bases/{id}/entries/{entry_id}', { params: { path: { id: baseId, entry_id: entryId ?? '' } } }),
    enabled: entryId !== null,
    refetchOnWindowFocus: false,
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (entryId !== null && data === undefined) return <Skeleton rows={5} />;
  return <Fields baseId={baseId} entry={data ?? null} onDone={onDone} />;
}

function Fields({ baseId, entry, onDone }: { baseId: string; entry: Entry | null; onDone: () => void }) {
  const [title, setTitle] = useState(entry?.title ?? '');
  const [body, setBody] = useState(entry?.body ?? '');
  const [kind, setKind] = useState(entry?.kind ?? 'note');
  const [tags, setTags] = useState(entry?.tags.join(', ') ?? '');
  const path = { params: { path: { id: baseId, entry_id: entry?.id ?? '' } } };
  const save = useChange(() => {
    const fields = { title: title.trim(), body, kind, tags: listOf(tags) };
    return entry === null
      ? api.post('/v1/knowledge-bases/{id}/entries', { params: { path: { id: baseId } }, body: fields })
      : api.patch('/v1/knowledge-bases/{id}/entries/{entry_id}', { ...path, body: fields });
  }, 'knowledge');
  const remove = useChange(() => api.delete('/v1/knowledge-bases/{id}/entries/{entry_id}', path), 'knowledge');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate(undefined, { onSuccess: onDone });
  };
  const error = save.error ?? remove.error;
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label="Title"
        required
        value={title}
        error={fieldError(save.error, 'title')}
        onChange={(event) => setTitle(event.target.value)}
      />
      <TextArea
        label="Text"
        hint="Markdown."
        required
        rows={10}
        value={body}
        error={fieldError(save.error, 'body')}
        onChange={(event) => setBody(event.target.value)}
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField
          label="Kind"
          value={kind}
          choices={KINDS.map((value) => ({ value, label: value }))}
          onChange={(event) => setKind(event.target.value as Entry['kind'])}
        />
        <TextField
          label="Tags"
          placeholder="billing, europe"
          value={tags}
          error={fieldError(save.error, 'tags')}
          onChange={(event) => setTags(event.target.value)}
        />
      </div>
      {error !== null && <ErrorNote error={error} />}
      <div className="flex justify-between gap-2">
        {entry === null ? (
          <span />
        ) : (
          <Confirm
            title={`Delete ${entry.title}?`}
            verb="Delete"
            act={() => remove.mutate(undefined, { onSuccess: onDone })}
            trigger={(ask) => (
              <Button kind="danger" onClick={ask}>
                Delete
              </Button>
            )}
          >
            The entry is gone for good.
          </Confirm>
        )}
        <Button kind="primary" type="submit" disabled={save.isPending}>
          {entry === null ? 'Add entry' : 'Save'}
        </Button>
      </div>
    </form>
  );
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
