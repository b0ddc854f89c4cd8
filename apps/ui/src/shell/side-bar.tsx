import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useIsPlatformUser } from '../data/access.ts';
import { me } from '../data/queries.ts';
import { NAVIGATION } from './navigation.ts';
import { UserMenu } from './user-menu.tsx';

/** `onGo` closes the drawer that it stands in on phones. */
export function SideBar({ onGo }: { onGo?: () => void }) {
  const isPlatformUser = useIsPlatformUser();
  const { data: user } = useQuery(me);
  return (
    <div className="flex h-full flex-col gap-1 overflow-y-auto px-3 py-4">
      <Link to="/sessions" {...(onGo && { onClick: onGo })} className="mb-3 flex items-center gap-2.5 rounded-lg px-2 py-1">
        <img src="/favicon.svg" alt="" className="size-7" />
        <span className="text-base font-semibold tracking-tight">Everruns</span>
      </Link>
      <nav aria-label="Main" className="flex grow flex-col gap-4">
        {NAVIGATION.map(({ title, places }) => {
          const shown = places.filter(({ platform }) => platform !== true || isPlatformUser);
          if (shown.length === 0) return null;
          return (
            <div key={title}>
              <p className="mb-1 px-2 text-xs font-medium text-ink-faint">{title}</p>
              <ul className="flex flex-col gap-0.5">
                {shown.map(({ path, title: name, icon: Icon }) => (
                  <li key={path}>
                    <Link
                      to={path}
                      activeOptions={{ exact: path === '/operations' }}
                      {...(onGo && { onClick: onGo })}
                      className="flex items-center gap-2.5 rounded-lg px-2 py-1.5 text-sm text-ink-soft hover:bg-sunken hover:text-ink"
                      activeProps={{ className: 'bg-accent-soft !text-accent font-medium', 'aria-current': 'page' }}
                    >
                      <Icon aria-hidden className="size-4 shrink-0" />
                      {name}
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
      </nav>
      {user !== undefined && <UserMenu user={user} />}
    </div>
  );
}
