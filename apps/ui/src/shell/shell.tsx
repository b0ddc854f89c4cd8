import { Dialog } from '@base-ui/react/dialog';
import { useQuery } from '@tanstack/react-query';
import { Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { AuthenticationError, NotFoundError } from '@everruns/client';
import { Menu } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { chosenOrganization } from '../data/client.ts';
import { me } from '../data/queries.ts';
import type { Schemas } from '../data/queries.ts';
import { ErrorNote, Skeleton } from '../ui/notes.tsx';
import { choiceOf } from './organization-choice.ts';
import { Palette } from './palette.tsx';
import { reloadIn } from './reload-in.ts';
import { SideBar } from './side-bar.tsx';
import { ThemeToggle } from './theme.tsx';

/** What stands around every page. Whoever is not signed in is sent to where that is done, and comes back. */
export function Shell() {
  const { data, error, refetch } = useQuery({ ...me, throwOnError: false });
  useEffect(() => {
    if (!(error instanceof AuthenticationError)) return;
    const here = window.location.pathname + window.location.search;
    window.location.assign(`/login?return_to=${encodeURIComponent(here)}`);
  }, [error]);
  useOrganization(data, error);
  if (error !== null && !(error instanceof AuthenticationError)) {
    return (
      <main className="mx-auto max-w-xl p-8">
        <ErrorNote error={error} retry={() => void refetch()} />
      </main>
    );
  }
  if (data === undefined) {
    return (
      <main className="mx-auto max-w-xl p-8">
        <Skeleton />
      </main>
    );
  }
  return <Frame />;
}

/** Pages are of one organization: one that the user is in. Who is in none begins with making one. */
function useOrganization(user: Schemas['CurrentUser'] | undefined, error: Error | null): void {
  const navigate = useNavigate();
  useEffect(() => {
    // Every request names the organization, so all of them are refused once the user is not in it any more.
    if (error instanceof NotFoundError && chosenOrganization() !== undefined) reloadIn(undefined);
    if (user === undefined) return;
    const choice = choiceOf(user.organizations, chosenOrganization());
    if (choice.kind === 'enter') reloadIn(choice.id);
    if (choice.kind === 'none') void navigate({ to: '/settings/organization', replace: true });
  }, [user, error, navigate]);
}

function Frame() {
  const main = useFocusOnNavigation();
  return (
    <div className="flex h-dvh">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-lg focus:bg-surface focus:px-3 focus:py-2"
      >
        Skip to the content
      </a>
      <aside className="hidden w-60 shrink-0 border-r border-line bg-surface lg:block">
        <SideBar />
      </aside>
      <div className="flex min-w-0 grow flex-col">
        <header className="flex h-14 shrink-0 items-center justify-between gap-2 border-b border-line bg-surface px-3 sm:px-4">
          <MobileMenu />
          <div className="flex grow items-center justify-end gap-1.5">
            <Palette />
            <ThemeToggle />
          </div>
        </header>
        <main id="main" ref={main} tabIndex={-1} className="min-h-0 grow overflow-y-auto outline-none">
          <Outlet />
        </main>
      </div>
    </div>
  );
}

/** After going somewhere the keyboard and readers begin with what is new. */
function useFocusOnNavigation() {
  const ref = useRef<HTMLElement>(null);
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) ref.current?.focus();
    first.current = false;
  }, [path]);
  return ref;
}

function MobileMenu() {
  const [isOpen, setOpen] = useState(false);
  return (
    <Dialog.Root open={isOpen} onOpenChange={setOpen}>
      <Dialog.Trigger aria-label="Menu" className="grid size-9 place-items-center rounded-lg hover:bg-sunken lg:hidden">
        <Menu aria-hidden className="size-5" />
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/40" />
        <Dialog.Popup className="fixed inset-y-0 left-0 z-50 w-72 border-r border-line bg-surface shadow-xl">
          <Dialog.Title className="sr-only">Menu</Dialog.Title>
          <SideBar onGo={() => setOpen(false)} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
