import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { ReactNode } from 'react';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { BlockState } from './block-list.tsx';
import { EntryForm } from './entry-form.tsx';
import { LifeActions, MAY_ALL } from './life-actions.tsx';

type Base = Schemas['KnowledgeBase'];
const route = getRouteApi('/knowledge/$id');
const MOST = 50;

export function KnowledgeBasePage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery({
    queryKey: scoped('knowledge', 'one', id),
    queryFn: () => api.get('/v1/knowledge-bases/{id}', { params: { path: { id } } }),
  });
  if (data !== undefined) return <Found base={data} />;
  return <Page title="Knowledge base">{error !== null ? <ErrorNote error={error} retry={() => void refetch()} /> : <Skeleton />}</Page>;
}

function Found({ base }: { base: Base }) {
  const { id, name, status } = base;
  const { query, entry } = route.useSearch();
  const navigate = useNavigate();
  const params = { params: { path: { id } } };
  const go = (next: { query?: string; entry?: string }): void =>
    void navigate({ to: '/knowledge/$id', params: { id }, search: next, replace: next.entry === undefined });
  const kept = query === undefined ? {} : { query };
  return (
    <Page
      title={name}
      about={
        <span className="flex flex-col gap-1.5">
          {base.description !== undefined && <span>{base.description}</span>}
          <span className="flex flex-wrap items-center gap-2">
            <Link to="/knowledge" className="text-accent hover:underline">
              All knowledge
            </Link>
            <BlockState status={status} />
            <span>{base.language}</span>
          </span>
        </span>
      }
      actions={
        <>
          <LifeActions
            things="knowledge"
            path="/knowledge"
            name={name}
            isArchived={status === 'archived'}
            may={MAY_ALL}
            archive={() => api.delete('/v1/knowledge-bases/{id}', params)}
            restore={() => api.patch('/v1/knowledge-bases/{id}', { ...params, body: { status: 'active' } })}
            destroy={() => api.post('/v1/knowledge-bases/{id}/delete', params)}
            warning="All of its entries are gone for good."
          />
          <Button kind="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => go({ ...kept, entry: 'new' })}>
            Add entry
          </Button>
        </>
      }
    >
      <div className="mb-4 max-w-sm">
        <TextField
          label="Search entries"
          hideLabel
          type="search"
          placeholder="Search as an agent would"
          defaultValue={query}
          onChange={({ target }) => go(target.value === '' ? {} : { query: target.value })}
        />
      </div>
      {query === undefined ? <Entries id={id} /> : <Results id={id} query={query} />}
      <Dialog title={entry === 'new' ? 'Add entry' : 'Edit entry'} open={entry !== undefined} onClose={() => go(kept)}>
        {entry !== undefined && <EntryForm key={entry} baseId={id} entryId={entry === 'new' ? null : entry} onDone={() => go(kept)} />}
      </Dialog>
    </Page>
  );
}

function Entries({ id }: { id: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('knowledge', 'entries', id),
    queryFn: () => api.get('/v1/knowledge-bases/{id}/entries', { params: { path: { id }, query: { limit: MOST } } }),
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton />;
  if (data.data.length === 0)
    return <Empty title="No entry yet">An entry is one thing that an agent may look up: a title, a text, tags.</Empty>;
  return (
    <>
      <ul className="flex flex-col gap-2">
        {data.data.map(({ id: entryId, title, kind, tags, body }) => (
          <EntryRow key={entryId} baseId={id} entryId={entryId} title={title} kind={kind} tags={tags} text={body} />
        ))}
      </ul>
      {data.total > data.data.length && (
        <p className="mt-3 text-sm text-ink-soft">
          The first {data.data.length} of {data.total}. Search to see others.
        </p>
      )}
    </>
  );
}

function Results({ id, query }: { id: string; query: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('knowledge', 'search', id, query),
    queryFn: async () => (await api.post('/v1/knowledge-bases/{id}/search', { params: { path: { id } }, body: { query, limit: 20 } })).data,
    placeholderData: keepPreviousData,
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton />;
  if (data.length === 0) return <Empty title="Nothing found">An agent that asks this finds nothing either.</Empty>;
  return (
    <ol className="flex flex-col gap-2">
      {data.map(({ id: entryId, title, kind, tags, snippet }) => (
        <EntryRow key={entryId} baseId={id} entryId={entryId} title={title} kind={kind} tags={tags} text={<Marked snippet={snippet} />} />
      ))}
    </ol>
  );
}

interface EntryRowProps {
  baseId: string;
  entryId: string;
  title: string;
  kind: string;
  tags: readonly string[];
  text: ReactNode;
}

/** What was found stands between two pairs of stars. */
function Marked({ snippet }: { snippet: string }) {
  return snippet.split('**').map((part, at) =>
    at % 2 === 0 ? (
      part
    ) : (
      // A text has no other identity than where it stands.
      // oxlint-disable-next-line react/no-array-index-key
      <mark key={at} className="rounded bg-accent-soft px-0.5 text-accent">
        {part}
      </mark>
    ),
  );
}

function EntryRow({ baseId, entryId, title, kind, tags, text }: EntryRowProps) {
  return (
    <li className="rounded-xl border border-line bg-surface px-4 py-3">
      <p className="flex flex-wrap items-center gap-2">
        <Link
          to="/knowledge/$id"
          params={{ id: baseId }}
          search={(now) => ({ ...now, entry: entryId })}
          resetScroll={false}
          className="font-medium hover:underline"
        >
          {title}
        </Link>
        <Badge>{kind}</Badge>
        {tags.map((tag) => (
          <span key={tag} className="text-[13px] text-ink-faint">
            #{tag}
          </span>
        ))}
      </p>
      <p className="mt-1 line-clamp-2 text-sm text-ink-soft">{text}</p>
    </li>
  );
}
