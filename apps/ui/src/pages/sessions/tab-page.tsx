import type { ReactNode } from 'react';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';

interface TabPageProps {
  label: string;
  error: unknown;
  isLoading: boolean;
  retry: () => unknown;
  children: ReactNode;
}

/** A tab that is read from its top: not there yet, failed, or there. */
export function TabPage({ label, error, isLoading, retry, children }: TabPageProps) {
  return (
    <div className="h-full overflow-y-auto" tabIndex={0} role="region" aria-label={label}>
      <div className="mx-auto max-w-5xl px-4 py-5 sm:px-6">
        {error !== null && error !== undefined && <ErrorNote error={error} retry={() => void retry()} />}
        {isLoading && (error === null || error === undefined) ? <Skeleton /> : children}
      </div>
    </div>
  );
}
