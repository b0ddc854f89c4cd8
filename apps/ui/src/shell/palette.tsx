import { Dialog } from '@base-ui/react/dialog';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Search } from 'lucide-react';
import { useEffect, useId, useState } from 'react';
import type { KeyboardEvent } from 'react';
import { useIsPlatformUser } from '../data/access.ts';
import { api } from '../data/client.ts';
import { scoped } from '../data/queries.ts';
import { NAVIGATION } from './navigation.ts';

interface Target {
  key: string;
  title: string;
  kind: string;
  to: string;
}

const MOST = 12;

/** Ctrl-K or Command-K: goes to any page, agent or session by a few letters of its name. */
export function Palette() {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const listen = (event: globalThis.KeyboardEvent): void => {
      if (event.key !== 'k' || !(event.metaKey || event.ctrlKey)) return;
      event.preventDefault();
      setOpen((open) => !open);
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, []);
  return (
    <>
      <button
        type="button"
        onClick={() => setOpen(true)}
        className="flex h-9 cursor-pointer items-center gap-2 rounded-lg border border-line bg-surface px-3 text-sm text-ink-faint hover:bg-sunken"
      >
        <Search aria-hidden className="size-4" />
        <span>Search</span>
        <kbd className="hidden font-mono text-xs sm:inline">Ctrl K</kbd>
      </button>
      <Dialog.Root open={isOpen} onOpenChange={setOpen}>
        <Dialog.Portal>
          <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/40" />
          <Dialog.Popup className="fixed top-[12dvh] left-1/2 z-50 w-[calc(100%-2rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-2xl border border-line bg-surface shadow-xl">
            <Dialog.Title className="sr-only">Go to</Dialog.Title>
            <Finder onDone={() => setOpen(false)} />
          </Dialog.Popup>
        </Dialog.Portal>
      </Dialog.Root>
    </>
  );
}

function Finder({ onDone }: { onDone: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useId();
  const navigate = useNavigate();
  const targets = useTargets(text);
  const go = (target: Target | undefined): void => {
    if (target === undefined) return;
    onDone();
    void navigate({ to: target.to });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setAt((at + step + targets.length) % Math.max(1, targets.length));
    }
    if (event.key === 'Enter') go(targets[at]);
  };
  return (
    <div>
      <input
        role="combobox"
        aria-label="Go to a page, agent or session"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={targets[at] === undefined ? undefined : `${list}-${at}`}
        placeholder="Go to a page, agent or session"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
        className="h-13 w-full border-b border-line bg-transparent px-4 text-base outline-none"
      />
      <ul id={list} role="listbox" aria-label="Results" className="max-h-96 overflow-y-auto p-2">
        {targets.map((target, index) => (
          // The input has the focus and the keys; this is for the mouse.
          <li
            key={target.key}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === at}
            onMouseMove={() => setAt(index)}
            onClick={() => go(target)}
            className={`flex cursor-pointer items-center justify-between gap-3 rounded-lg px-3 py-2 text-sm ${index === at ? 'bg-sunken' : ''}`}
          >
            <span className="truncate">{target.title}</span>
            <span className="text-xs text-ink-faint">{target.kind}</span>
          </li>
        ))}
        {targets.length === 0 && <li className="px-3 py-6 text-center text-sm text-ink-faint">Nothing has this name.</li>}
      </ul>
    </div>
  );
}

function useTargets(text: string): Target[] {
  const isPlatformUser = useIsPlatformUser();
  const wanted = text.trim().toLowerCase();
  const pages = NAVIGATION.flatMap(({ places }) => places)
    .filter(({ title, platform }) => title.toLowerCase().includes(wanted) && (platform !== true || isPlatformUser))
    .map(({ path, title }) => ({ key: path, title, kind: 'Page', to: path }));
  const enabled = wanted.length > 1;
  const query = { limit: 5, search: wanted };
  const agents = useQuery({
    queryKey: scoped('palette', 'agents', wanted),
    queryFn: () => api.get('/v1/agents', { params: { query } }),
    enabled,
  });
  const sessions = useQuery({
    queryKey: scoped('palette', 'sessions', wanted),
    queryFn: () => api.get('/v1/sessions', { params: { query } }),
    enabled,
  });
  return [
    ...pages,
    ...(enabled ? (agents.data?.data ?? []) : []).map(({ id, name }) => ({ key: id, title: name, kind: 'Agent', to: `/agents/${name}` })),
    ...(enabled ? (sessions.data?.data ?? []) : []).map(({ id, title }) => ({
      key: id,
      title: title ?? id,
      kind: 'Session',
      to: `/sessions/${id}`,
    })),
  ].slice(0, MOST);
}
