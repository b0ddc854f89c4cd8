import { createRootRoute, Link } from '@tanstack/react-router';
import { Shell } from './shell/shell.tsx';
import { buttonClasses } from './ui/button.tsx';
import { Empty, ErrorNote } from './ui/notes.tsx';

export const rootRoute = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <div className="mx-auto max-w-xl p-8">
      <Empty
        title="There is no such page"
        action={
          <Link to="/sessions" className={buttonClasses()}>
            To the sessions
          </Link>
        }
      >
        The link may be old, or what it led to is in another organization.
      </Empty>
    </div>
  ),
  errorComponent: ({ error, reset }) => (
    <div className="mx-auto max-w-xl p-8">
      <ErrorNote error={error} retry={reset} />
    </div>
  ),
});
