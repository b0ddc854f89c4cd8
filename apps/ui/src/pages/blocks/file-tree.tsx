import { FileText as Icon } from 'lucide-react';
import { cloneElement } from 'react';
import type { ReactElement, ReactNode } from 'react';

interface FileTreeProps {
  files: readonly { path: string }[];
  chosen: string | undefined;
  /** A link to a file, without its text. */
  to: (path: string) => ReactElement<{ children?: ReactNode; className?: string }>;
  children: ReactNode;
}

/** Files on the left, the chosen one on the right; above it on phones. */
export function FileTree({ files, chosen, to, children }: FileTreeProps) {
  return (
    <div className="grid overflow-hidden rounded-xl border border-line bg-surface md:grid-cols-[16rem_minmax(0,1fr)]">
      <ul aria-label="Files" className="max-h-[60dvh] overflow-y-auto border-b border-line p-2 md:border-r md:border-b-0">
        {files.map(({ path }) => (
          <li key={path} {...(path === chosen && { 'aria-current': 'true' as const })}>
            {cloneElement(
              to(path),
              {
                className: `flex items-center gap-2 rounded-lg px-2 py-1.5 text-[13px] hover:bg-sunken ${path === chosen ? 'bg-accent-soft font-medium text-accent' : 'text-ink-soft'}`,
              },
              <Icon aria-hidden className="size-3.5 shrink-0" />,
              <span className="min-w-0 break-all">{path}</span>,
            )}
          </li>
        ))}
      </ul>
      <div className="min-w-0">{children}</div>
    </div>
  );
}

/** What stands in a file. Null: it is no text. */
export function FileText({ path, text }: { path: string; text: string | null }) {
  return (
    <section aria-label={path}>
      {text === null ? (
        <p className="p-4 text-sm text-ink-soft">This is no text, so it is not shown.</p>
      ) : (
        <pre tabIndex={0} className="max-h-[60dvh] overflow-auto p-4 font-mono text-[13px] leading-relaxed whitespace-pre-wrap">
          {text}
        </pre>
      )}
    </section>
  );
}
