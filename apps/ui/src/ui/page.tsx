import { useEffect } from 'react';
import type { ReactNode } from 'react';

interface PageProps {
  title: string;
  /** Said under the title. */
  about?: ReactNode;
  /** Buttons beside the title. */
  actions?: ReactNode;
  children: ReactNode;
  /** The content takes the whole width and height. */
  full?: boolean;
}

export function Page({ title, about, actions, children, full = false }: PageProps) {
  useTitle(title);
  return (
    <div className={full ? 'flex h-full min-h-0 flex-col px-4 pt-4 sm:px-6' : 'mx-auto w-full max-w-6xl px-4 py-6 sm:px-8 sm:py-8'}>
      <header className="mb-5 flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <h1 className="truncate text-xl font-semibold tracking-tight">{title}</h1>
          {about !== undefined && <p className="mt-1 max-w-prose text-sm text-ink-soft">{about}</p>}
        </div>
        {actions !== undefined && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Everruns`;
  }, [title]);
}

/** A group of content with a heading. */
export function Section({
  title,
  about,
  actions,
  children,
}: {
  title: string;
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className="mb-8">
      <div className="mb-3 flex flex-wrap items-center justify-between gap-2">
        <div>
          <h2 className="text-base font-semibold">{title}</h2>
          {about !== undefined && <p className="text-sm text-ink-soft">{about}</p>}
        </div>
        {actions}
      </div>
      {children}
    </section>
  );
}

export function Card({ children, className = '' }: { children: ReactNode; className?: string }) {
  return <div className={`rounded-xl border border-line bg-surface p-4 ${className}`}>{children}</div>;
}
