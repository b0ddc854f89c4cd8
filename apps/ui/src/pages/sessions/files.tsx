import { getRouteApi } from '@tanstack/react-router';
import { useMutation, useQuery } from '@tanstack/react-query';
import { ConflictError } from '@everruns/client';
import { ChevronRight, File, Folder, FolderOpen, Upload } from 'lucide-react';
import { useRef, useState } from 'react';
import { api } from '../../data/client.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { FileView } from './file-view.tsx';
import { fileTree, sizeText } from './file-tree.ts';
import type { FileNode } from './file-tree.ts';
import { sessionRoute } from './session-queries.ts';

const route = getRouteApi('/sessions/$sessionId/files');
const REFRESH_MS = 5_000;

export function Files() {
  const { sessionId } = sessionRoute.useParams();
  const { path } = route.useSearch();
  const { data, error, refetch } = useQuery({
    queryKey: scoped('session-files', sessionId),
    queryFn: () => api.get('/v1/sessions/{id}/fs', { params: { path: { id: sessionId }, query: { recursive: 'true' } } }),
    refetchInterval: REFRESH_MS,
  });
  const files = data?.data ?? [];
  const chosen = files.find((file) => file.path === path && !file.is_directory);
  return (
    <div className="flex h-full min-h-0 flex-col lg:flex-row">
      <div
        className={`min-h-0 overflow-y-auto p-4 sm:px-6 lg:w-80 lg:shrink-0 lg:border-r lg:border-line ${chosen === undefined ? 'grow' : 'max-h-56 border-b border-line lg:max-h-none lg:border-b-0'} lg:grow-0`}
      >
        <UploadFiles sessionId={sessionId} known={new Set(files.map((file) => file.path))} />
        {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton />}
        {data !== undefined && files.length === 0 && (
          <Empty icon={<Folder className="size-8" />} title="No file yet">
            What the agent writes appears here, and what you upload is there for it.
          </Empty>
        )}
        <Tree nodes={fileTree(files)} />
      </div>
      {chosen !== undefined ? (
        <FileView key={`${chosen.path} ${chosen.updated_at}`} sessionId={sessionId} file={chosen} />
      ) : (
        files.length > 0 && (
          <p className="hidden grow place-content-center text-center text-sm text-ink-faint lg:grid">Choose a file to see it.</p>
        )
      )}
    </div>
  );
}

function Tree({ nodes }: { nodes: FileNode<Schemas['FileInfo']>[] }) {
  return (
    <ul>
      {nodes.map((node) => (
        <li key={node.path}>{node.isDirectory ? <Directory node={node} /> : <Leaf node={node} />}</li>
      ))}
    </ul>
  );
}

const LINE = 'flex w-full cursor-pointer items-center gap-2 rounded-md px-2 py-1 text-left text-sm hover:bg-sunken';

function Directory({ node }: { node: FileNode<Schemas['FileInfo']> }) {
  const [isOpen, setOpen] = useState(true);
  return (
    <>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)} className={LINE}>
        <ChevronRight aria-hidden className={`size-3.5 shrink-0 text-ink-faint transition-transform ${isOpen ? 'rotate-90' : ''}`} />
        {isOpen ? (
          <FolderOpen aria-hidden className="size-4 shrink-0 text-ink-faint" />
        ) : (
          <Folder aria-hidden className="size-4 shrink-0 text-ink-faint" />
        )}
        <span className="truncate">{node.name}</span>
      </button>
      {isOpen && (
        <div className="ml-3.5 border-l border-line pl-1.5">
          <Tree nodes={node.children} />
        </div>
      )}
    </>
  );
}

function Leaf({ node }: { node: FileNode<Schemas['FileInfo']> }) {
  const { path } = route.useSearch();
  const navigate = route.useNavigate();
  const { entry } = node;
  return (
    <button
      type="button"
      aria-current={entry?.path === path ? 'true' : undefined}
      onClick={() => void navigate({ search: { path: entry?.path ?? node.path } })}
      className={`${LINE} aria-[current=true]:bg-accent-soft`}
    >
      <File aria-hidden className="ml-5.5 size-4 shrink-0 text-ink-faint" />
      <span className="truncate">{node.name}</span>
      {entry !== undefined && <span className="ml-auto shrink-0 text-xs text-ink-faint tabular-nums">{sizeText(entry.size_bytes)}</span>}
    </button>
  );
}

/** The client encodes the slashes of a path; the API takes it either way. */
const at = (id: string, path: string) => ({ params: { path: { id, path: path.replace(/^\/+/, '') } } });

function UploadFiles({ sessionId, known }: { sessionId: string; known: ReadonlySet<string> }) {
  const input = useRef<HTMLInputElement>(null);
  const navigate = route.useNavigate();
  const upload = useMutation({
    mutationFn: async (files: readonly globalThis.File[]) => {
      for (const file of files) await put(sessionId, file, known.has(`/${file.name}`));
      return files;
    },
    onSuccess: (files) => files.length === 1 && navigate({ search: { path: `/${files[0]?.name ?? ''}` } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: scoped('session-files', sessionId) }),
  });
  return (
    <div className="mb-3">
      <input
        ref={input}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          upload.mutate([...(event.target.files ?? [])]);
          event.target.value = '';
        }}
      />
      <Button disabled={upload.isPending} onClick={() => input.current?.click()} icon={<Upload aria-hidden className="size-4" />}>
        {upload.isPending ? 'Uploading' : 'Upload files'}
      </Button>
      {upload.error !== null && (
        <div className="mt-2">
          <ErrorNote error={upload.error} />
        </div>
      )}
    </div>
  );
}

async function put(sessionId: string, file: globalThis.File, isKnown: boolean): Promise<void> {
  const body = { content: await base64Of(file), encoding: 'base64' as const };
  const write = () => api.put('/v1/sessions/{id}/fs/{path}', { ...at(sessionId, file.name), body });
  if (isKnown) return void (await write());
  await api.post('/v1/sessions/{id}/fs/{path}', { ...at(sessionId, file.name), body }).catch((error: unknown) => {
    if (error instanceof ConflictError) return write(); // the agent was faster
    throw error;
  });
}

async function base64Of(file: Blob): Promise<string> {
  const address = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(reader.result as string));
    reader.addEventListener('error', () => reject(reader.error ?? new Error('The file cannot be read.')));
    reader.readAsDataURL(file);
  });
  return address.slice(address.indexOf(',') + 1);
}
