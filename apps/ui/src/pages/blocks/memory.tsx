import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { Plus, RefreshCw } from 'lucide-react';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea, TextField } from '../../ui/fields.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page, Section } from '../../ui/page.tsx';
import { Ago } from '../../ui/time.tsx';
import { BlockState } from './block-list.tsx';
import { FileTree } from './file-tree.tsx';
import { LifeActions, MAY_ALL } from './life-actions.tsx';
import { MemoryFileView } from './memory-file.tsx';
import { SyncState } from './memory-sync.tsx';

type Memory = Schemas['Memory'];
const route = getRouteApi('/memories/$id');
const SYNC_POLL_MS = 2_000;

export function MemoryPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery({
    queryKey: scoped('memories', 'one', id),
    queryFn: () => api.get('/v1/memories/{id}', { params: { path: { id } } }),
    refetchInterval: ({ state }) => (['pending', 'syncing'].includes(state.data?.sync_status ?? '') ? SYNC_POLL_MS : false),
  });
  if (data !== undefined) return <Found memory={data} />;
  return <Page title="Memory">{error !== null ? <ErrorNote error={error} retry={() => void refetch()} /> : <Skeleton />}</Page>;
}

function Found({ memory }: { memory: Memory }) {
  const { id, name, status, is_readonly } = memory;
  const [isAdding, setAdding] = useState(false);
  const params = { params: { path: { id } } };
  const sync = useChange(() => api.post('/v1/memories/{id}/sync', params), 'memories');
  const hasSource = memory.source_type !== 'manual';
  return (
    <Page
      title={name}
      about={<About memory={memory} />}
      actions={
        <>
          {hasSource && (
            <Button icon={<RefreshCw aria-hidden className="size-4" />} disabled={sync.isPending} onClick={() => sync.mutate()}>
              Sync now
            </Button>
          )}
          <LifeActions
            things="memories"
            path="/memories"
            name={name}
            isArchived={status === 'archived'}
            may={MAY_ALL}
            archive={() => api.delete('/v1/memories/{id}', params)}
            restore={() => api.patch('/v1/memories/{id}', { ...params, body: { status: 'active' } })}
            destroy={() => api.post('/v1/memories/{id}/delete', params)}
            warning="Its files are gone for good."
          />
        </>
      }
    >
      {sync.error !== null && <ErrorNote error={sync.error} />}
      {memory.last_sync_error !== undefined && (
        <p role="alert" className="mb-4 rounded-xl bg-bad-soft px-4 py-3 text-sm text-bad">
          The last sync failed: {memory.last_sync_error}
        </p>
      )}
      <Section
        title="Files"
        actions={
          !is_readonly &&
          status === 'active' && (
            <Button icon={<Plus aria-hidden className="size-4" />} onClick={() => setAdding(true)}>
              Add file
            </Button>
          )
        }
      >
        <Files id={id} isReadonly={is_readonly || status !== 'active'} />
      </Section>
      <Dialog title="Add file" open={isAdding} onClose={() => setAdding(false)}>
        <AddFile id={id} onDone={() => setAdding(false)} />
      </Dialog>
    </Page>
  );
}

function About({ memory }: { memory: Memory }) {
  const { description, status, source_type, source, last_synced_at, is_readonly } = memory;
  const place = source['repository'] ?? source['url'];
  return (
    <span className="flex flex-col gap-1.5">
      {description !== undefined && <span>{description}</span>}
      <span className="flex flex-wrap items-center gap-2">
        <Link to="/memories" className="text-accent hover:underline">
          All memories
        </Link>
        <BlockState status={status} />
        <SyncState memory={memory} />
        {source_type !== 'manual' && typeof place === 'string' && <span className="font-mono text-[13px]">{place}</span>}
        {is_readonly && <span>read only</span>}
        {last_synced_at !== undefined && (
          <span>
            in step <Ago at={last_synced_at} />
          </span>
        )}
      </span>
    </span>
  );
}

function Files({ id, isReadonly }: { id: string; isReadonly: boolean }) {
  const { file } = route.useSearch();
  const { data, error, refetch } = useQuery({
    queryKey: scoped('memories', 'files', id),
    queryFn: async () => (await api.get('/v1/memories/{id}/fs', { params: { path: { id }, query: { recursive: 'true' } } })).data,
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton />;
  const files = data.filter(({ is_directory }) => !is_directory);
  if (files.length === 0) return <Empty title="No file yet">Agents write them, or you add one here.</Empty>;
  return (
    <FileTree files={files} chosen={file} to={(path) => <Link to="." search={{ file: path }} resetScroll={false} />}>
      {file === undefined ? (
        <p className="p-4 text-sm text-ink-faint">Choose a file to see what is in it.</p>
      ) : (
        <MemoryFileView key={file} id={id} path={file} isReadonly={isReadonly} />
      )}
    </FileTree>
  );
}

function AddFile({ id, onDone }: { id: string; onDone: () => void }) {
  const [path, setPath] = useState('');
  const [content, setContent] = useState('');
  const navigate = useNavigate();
  const add = useChange(
    () =>
      api.post('/v1/memories/{id}/fs/{path}', {
        params: { path: { id, path: path.trim().replace(/^\/+/, '') } },
        body: { content },
      }),
    'memories',
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    add.mutate(undefined, {
      onSuccess: (made) => {
        onDone();
        void navigate({ to: '/memories/$id', params: { id }, search: { file: made.path } });
      },
    });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label="Path"
        required
        placeholder="notes/today.md"
        className="font-mono"
        value={path}
        error={fieldError(add.error, 'path')}
        onChange={(event) => setPath(event.target.value)}
      />
      <TextArea
        label="Content"
        rows={8}
        className="font-mono text-[13px]"
        value={content}
        onChange={(event) => setContent(event.target.value)}
      />
      {add.error !== null && <ErrorNote error={add.error} />}
      <Button kind="primary" type="submit" className="self-end" disabled={add.isPending}>
        Add file
      </Button>
    </form>
  );
}
