import { Menu } from '@base-ui/react/menu';
import { Check, ChevronsUpDown, LogOut } from 'lucide-react';
import { api, chosenOrganization } from '../data/client.ts';
import type { Schemas } from '../data/queries.ts';

const ITEM = 'flex cursor-pointer items-center gap-2 rounded-md px-2.5 py-1.5 text-sm outline-none data-[highlighted]:bg-sunken';

/** Who is signed in, which organization is worked in, and the way out. */
export function UserMenu({ user }: { user: Schemas['CurrentUser'] }) {
  const organizations = user.organizations ?? [];
  const chosen = chosenOrganization() ?? organizations[0]?.public_id;
  const current = organizations.find(({ public_id }) => public_id === chosen);
  const choose = async (id: string): Promise<void> => {
    await api.post('/v1/users/me/switch-org', { body: { org_id: id } });
    window.location.assign('/'); // what was shown belongs to the other one
  };
  const signOut = async (): Promise<void> => {
    await fetch('/api/v1/auth/logout', { method: 'POST', credentials: 'same-origin' });
    window.location.assign('/login');
  };
  return (
    <Menu.Root>
      <Menu.Trigger className="mt-3 flex w-full cursor-pointer items-center gap-2.5 rounded-lg border border-line bg-surface px-2.5 py-2 text-left hover:bg-sunken">
        <span aria-hidden className="grid size-7 shrink-0 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent">
          {user.name.slice(0, 1).toUpperCase()}
        </span>
        <span className="min-w-0 grow">
          <span className="block truncate text-sm font-medium">{user.name}</span>
          <span className="block truncate text-xs text-ink-faint">{current?.name ?? user.email}</span>
        </span>
        <ChevronsUpDown aria-hidden className="size-4 shrink-0 text-ink-faint" />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner side="top" sideOffset={6} className="z-50">
          <Menu.Popup className="min-w-56 rounded-xl border border-line bg-surface p-1.5 shadow-lg outline-none">
            <Menu.Group>
              <Menu.GroupLabel className="px-2.5 py-1 text-xs text-ink-faint">Organization</Menu.GroupLabel>
              {organizations.map(({ public_id, name, role }) => (
                <Menu.Item key={public_id} className={ITEM} onClick={() => public_id !== chosen && void choose(public_id)}>
                  <Check aria-hidden className={`size-4 ${public_id === chosen ? 'text-accent' : 'invisible'}`} />
                  <span className="grow truncate">{name}</span>
                  <span className="text-xs text-ink-faint">{role}</span>
                </Menu.Item>
              ))}
            </Menu.Group>
            <Menu.Separator className="my-1.5 h-px bg-line" />
            <Menu.Item className={ITEM} onClick={() => void signOut()}>
              <LogOut aria-hidden className="size-4" />
              Sign out
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
