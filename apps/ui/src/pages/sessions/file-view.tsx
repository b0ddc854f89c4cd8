import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { Download, Trash2 } from 'lucide-react';
import { api } from '../../data/client.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button, buttonClasses } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Ago } from '../../ui/time.tsx';
import { BlobPicture } from './blob-picture.tsx';
import { sizeText } from './file-tree.ts';
import { downloadAddress } from './session-queries.ts';

const route = getRouteApi('/sessions/$sessionId/files');
/** More than this nobody reads in a page. */
const SHOWN_CHARS = 200_000;
const SHOWN_BYTES = 5_000_000;
/** Pictures that cannot run anything; others are downloaded. */
const PICTURES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
};

interface FileProps {
  sessionId: string;
  file: Schemas['FileInfo'];
}

export function FileView({ sessionId, file }: FileProps) {
  const navigate = route.useNavigate();
  const path = file.path.replace(/^\/+/, '');
  const remove = useMutation({
    mutationFn: () => api.delete('/v1/sessions/{id}/fs/{path}', { params: { path: { id: sessionId, path } } }),
    onSuccess: async () => {
      await navigate({ search: {} });
      await queryClient.invalidateQueries({ queryKey: scoped('session-files', sessionId) });
    },
  });
  const address = downloadAddress(sessionId, `fs/_/download/${path.split('/').map(encodeURIComponent).join('/')}`);
  return (
    <section aria-label={file.name} className="flex min-h-0 min-w-0 flex-1 flex-col">
      <header className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2.5 sm:px-6">
        <h2 className="min-w-0 truncate font-mono text-sm font-medium">{file.path}</h2>
        {file.is_readonly && <Badge>read-only</Badge>}
        <span className="text-[13px] text-ink-faint">
          {sizeText(file.size_bytes)} · <Ago at={file.updated_at} />
        </span>
        <div className="ml-auto flex gap-1">
          <a href={address} download={file.name} className={buttonClasses('quiet')}>
            <Download aria-hidden className="size-4" />
            Download
          </a>
          <Confirm
            title={`Delete ${file.name}?`}
            verb="Delete file"
            act={() => remove.mutateAsync().catch(() => undefined)}
            trigger={(ask) => (
              <Button kind="quiet" square aria-label="Delete file" onClick={ask} icon={<Trash2 aria-hidden className="size-4" />} />
            )}
          >
            The agent will not find it any more.
          </Confirm>
        </div>
      </header>
      {remove.error !== null && <ErrorNote error={remove.error} />}
      <div className="min-h-0 grow overflow-auto p-4 sm:px-6" tabIndex={0} role="region" aria-label="Content">
        {file.size_bytes > SHOWN_BYTES ? <TooMuch /> : <Content sessionId={sessionId} path={path} />}
      </div>
    </section>
  );
}

const TooMuch = () => <Empty title="This file is too long to be shown">Download it to see it.</Empty>;

function Content({ sessionId, path }: { sessionId: string; path: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('session-files', sessionId, path),
    queryFn: () => api.get('/v1/sessions/{id}/fs/{path}', { params: { path: { id: sessionId, path } } }) as Promise<Schemas['SessionFile']>,
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={6} />;
  const { content = '', encoding } = data;
  const mediaType = PICTURES[path.slice(path.lastIndexOf('.') + 1).toLowerCase()];
  if (encoding === 'base64' && mediaType !== undefined)
    return <BlobPicture base64={content} mediaType={mediaType} name={path} className="max-w-full rounded-lg" />;
  if (encoding === 'base64') return <Empty title="This file is not text">Download it to see it.</Empty>;
  if (content === '') return <p className="text-sm text-ink-faint">The file is empty.</p>;
  return (
    <>
      <pre className="font-mono text-[13px] leading-relaxed break-words whitespace-pre-wrap">{content.slice(0, SHOWN_CHARS)}</pre>
      {content.length > SHOWN_CHARS && <p className="mt-3 text-sm text-ink-faint">There is more of it: download it to see the rest.</p>}
    </>
  );
}
