import { Menu } from '@base-ui/react/menu';
import { Link, useNavigate } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { Archive, ArchiveRestore, ArrowLeft, Bot, Download, Ellipsis, Pencil, Pin, PinOff, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { FormEvent, ReactNode } from 'react';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button, buttonClasses } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Badge, ErrorNote } from '../../ui/notes.tsx';
import { downloadAddress } from './session-queries.ts';
import { SessionState } from './session-state.tsx';

type SessionData = Schemas['Session'];

export function SessionHeader({ session }: { session: SessionData }) {
  const { id } = session;
  const params = { path: { id } };
  const pin = useChange(
    () => (session.is_pinned ? api.delete('/v1/sessions/{id}/pin', { params }) : api.put('/v1/sessions/{id}/pin', { params })),
    'session',
    'sessions',
  );
  const archive = useChange(
    () =>
      session.archived_at === undefined
        ? api.put('/v1/sessions/{id}/archive', { params })
        : api.delete('/v1/sessions/{id}/archive', { params }),
    'session',
    'sessions',
  );
  const navigate = useNavigate();
  const remove = useChange(() => api.delete('/v1/sessions/{id}', { params }).then(() => navigate({ to: '/sessions' })), 'sessions');
  const error = pin.error ?? archive.error ?? remove.error;
  return (
    <header>
      <div className="flex items-center gap-2">
        <Link to="/sessions" aria-label="All sessions" className={buttonClasses('quiet', true, '-ml-2')}>
          <ArrowLeft aria-hidden className="size-4" />
        </Link>
        <Title session={session} />
        <div className="ml-auto flex items-center gap-1">
          <Confirm
            title="Delete this session?"
            verb="Delete session"
            act={() => remove.mutateAsync().catch(() => undefined)}
            trigger={(ask) => (
              <Actions>
                <Entry icon={session.is_pinned ? <PinOff /> : <Pin />} onClick={() => pin.mutate()}>
                  {session.is_pinned ? 'Unpin' : 'Pin'}
                </Entry>
                <Entry icon={session.archived_at === undefined ? <Archive /> : <ArchiveRestore />} onClick={() => archive.mutate()}>
                  {session.archived_at === undefined ? 'Archive' : 'Take out of the archive'}
                </Entry>
                <Menu.Item className={ENTRY} render={<a href={downloadAddress(id, 'export')} download />}>
                  <Download aria-hidden className="size-4" />
                  Export
                </Menu.Item>
                <Menu.Separator className="my-1 border-t border-line" />
                <Entry icon={<Trash2 />} onClick={ask} isDangerous>
                  Delete
                </Entry>
              </Actions>
            )}
          >
            The conversation, its files and everything that it keeps go for good. A turn that runs is ended.
          </Confirm>
        </div>
      </div>
      <Facts session={session} />
      {error !== null && <ErrorNote error={error} />}
    </header>
  );
}

function Facts({ session }: { session: SessionData }) {
  const { agent_id: agentId } = session;
  const agent = useQuery({
    queryKey: scoped('agent', agentId),
    queryFn: () => api.get('/v1/agents/{id_or_name}', { params: { path: { id_or_name: agentId ?? '' } } }),
    enabled: agentId !== undefined,
  });
  const model = useModelName(session.model_id ?? agent.data?.default_model_id);
  return (
    <div className="flex min-h-6 flex-wrap items-center gap-x-3 gap-y-1 text-[13px] text-ink-soft">
      <SessionState status={session.status_detail} />
      {session.is_pinned && <Badge>pinned</Badge>}
      {session.archived_at !== undefined && <Badge>archived</Badge>}
      {agent.data !== undefined && (
        <Link to={`/agents/${agent.data.name}` as '/sessions'} className="inline-flex items-center gap-1.5 hover:text-ink hover:underline">
          <Bot aria-hidden className="size-3.5" />
          {agent.data.display_name ?? agent.data.name}
        </Link>
      )}
      {model !== undefined && <span>{model}</span>}
    </div>
  );
}

function useModelName(id: string | undefined): string | undefined {
  const { data } = useQuery({
    queryKey: scoped('model', id),
    queryFn: () => api.get('/v1/models/{id}', { params: { path: { id: id ?? '' } } }),
    enabled: id !== undefined,
    staleTime: 60_000,
  });
  return data?.display_name ?? data?.model_id;
}

function Title({ session }: { session: SessionData }) {
  const [text, setText] = useState<string | null>(null);
  const rename = useChange(
    (title: string) => api.patch('/v1/sessions/{id}', { params: { path: { id: session.id } }, body: { title } }),
    'session',
    'sessions',
  );
  const save = (event?: FormEvent): void => {
    event?.preventDefault();
    const title = text?.trim() ?? '';
    setText(null);
    if (title !== '' && title !== session.title) rename.mutate(title);
  };
  if (text !== null) {
    return (
      <form onSubmit={save} className="min-w-0 grow">
        <input
          aria-label="Title of the session"
          // eslint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
          value={text}
          maxLength={200}
          onChange={(event) => setText(event.target.value)}
          onBlur={() => save()}
          onKeyDown={(event) => event.key === 'Escape' && setText(null)}
          className="h-9 w-full max-w-xl rounded-lg border border-line-strong bg-surface px-2 text-lg font-semibold"
        />
      </form>
    );
  }
  const shown = rename.isPending ? rename.variables : session.title;
  return (
    <>
      <h1 className="min-w-0 truncate text-lg font-semibold tracking-tight">
        {shown ?? <span className="text-ink-faint">Untitled session</span>}
      </h1>
      <Button kind="quiet" square aria-label="Change the title" onClick={() => setText(session.title ?? '')}>
        <Pencil aria-hidden className="size-3.5" />
      </Button>
      {rename.error !== null && <ErrorNote error={rename.error} />}
    </>
  );
}

const ENTRY =
  'flex w-full cursor-pointer items-center gap-2.5 rounded-lg px-3 py-2 text-left text-sm outline-none select-none data-highlighted:bg-sunken [&_svg]:size-4';

function Actions({ children }: { children: ReactNode }) {
  return (
    <Menu.Root>
      <Menu.Trigger aria-label="More about this session" className={buttonClasses('quiet', true)}>
        <Ellipsis aria-hidden className="size-4" />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner align="end" sideOffset={4} className="z-40">
          <Menu.Popup className="min-w-52 rounded-xl border border-line bg-surface p-1.5 shadow-xl">{children}</Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

interface EntryProps {
  icon: ReactNode;
  onClick: () => void;
  children: ReactNode;
  isDangerous?: boolean;
}

function Entry({ icon, onClick, children, isDangerous = false }: EntryProps) {
  return (
    <Menu.Item onClick={onClick} className={`${ENTRY} ${isDangerous ? 'text-bad' : ''}`}>
      <span aria-hidden>{icon}</span>
      {children}
    </Menu.Item>
  );
}
