import { ApiError, ConnectionError, RateLimitError } from '@everruns/client';
import { CircleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from './button.tsx';
import { classes } from './classes.ts';

const TONES = {
  plain: 'bg-sunken text-ink-soft',
  good: 'bg-good-soft text-good',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
  accent: 'bg-accent-soft text-accent',
} as const;
export type Tone = keyof typeof TONES;

export function Badge({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={classes('inline-flex items-center gap-1 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap', TONES[tone])}>
      {children}
    </span>
  );
}

/** What a page without content says: what would be here, and how it gets here. */
export function Empty({ icon, title, children, action }: { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-3 rounded-xl border border-dashed border-line-strong/50 px-6 py-14 text-center">
      {icon !== undefined && <div className="text-ink-faint">{icon}</div>}
      <h2 className="text-base font-semibold">{title}</h2>
      {children !== undefined && <p className="max-w-prose text-sm text-ink-soft">{children}</p>}
      {action}
    </div>
  );
}

/** What went wrong, and what can be done about it. */
export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div role="alert" className="flex items-start gap-3 rounded-xl bg-bad-soft px-4 py-3 text-sm text-bad">
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <div className="min-w-0 grow">
        <p className="font-medium">{sentenceOf(error)}</p>
        {error instanceof ApiError && (
          <p className="mt-0.5 text-[13px] break-words opacity-90">
            {error.code}
            {error.requestId !== undefined && ` · request ${error.requestId}`}
          </p>
        )}
      </div>
      {retry !== undefined && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

export function sentenceOf(error: unknown): string {
  if (error instanceof ConnectionError) return 'The server does not answer. It may be restarting; nothing is lost.';
  if (error instanceof RateLimitError && error.retryAfterSeconds !== undefined) {
    return `That was too often. There is room again in ${error.retryAfterSeconds} seconds.`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Grey bars where content will stand, so that nothing jumps. */
export function Skeleton({ rows = 4 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="flex animate-pulse flex-col gap-2.5">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="h-11 rounded-lg bg-sunken" />
      ))}
    </div>
  );
}
