import { Ban, Check, ChevronRight, Clock, Hand, LoaderCircle, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { Badge } from '../../ui/notes.tsx';
import { duration } from '../../ui/time.tsx';
import { Approval } from './approval.tsx';
import type { ToolItem, ToolState } from './conversation-types.ts';
import { useKept } from './kept.ts';
import { Questions } from './questions.tsx';

const ICONS: Readonly<Record<ToolState, ReactNode>> = {
  planned: <Clock aria-hidden className="size-4 text-ink-faint" />,
  running: <LoaderCircle aria-hidden className="size-4 animate-spin text-accent" />,
  approval: <Hand aria-hidden className="size-4 text-warn" />,
  client: <Clock aria-hidden className="size-4 text-warn" />,
  success: <Check aria-hidden className="size-4 text-good" />,
  error: <TriangleAlert aria-hidden className="size-4 text-bad" />,
  timeout: <TriangleAlert aria-hidden className="size-4 text-bad" />,
  cancelled: <Ban aria-hidden className="size-4 text-ink-faint" />,
};
const WORDS: Readonly<Record<ToolState, string>> = {
  planned: 'waits for its turn',
  running: 'running',
  approval: 'waits for your decision',
  client: 'waits for an answer from outside',
  success: 'done',
  error: 'failed',
  timeout: 'took too long',
  cancelled: 'cancelled',
};

/** A call of a tool: one line, and everything about it when it is opened. What needs somebody is always open. */
export function ToolRow({ item }: { item: ToolItem }) {
  const asks = item.state === 'client' && item.name === 'ask_user';
  const [isOpen, setOpen] = useKept(item.key, item.state === 'approval');
  const printed = item.state === 'running' ? Object.entries(item.output) : [];
  return (
    <div className={`rounded-lg border bg-surface ${item.state === 'approval' || asks ? 'border-warn' : 'border-line'}`}>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="flex w-full cursor-pointer items-center gap-2.5 rounded-lg px-3 py-2 text-left text-sm hover:bg-sunken"
      >
        {ICONS[item.state]}
        <span className="sr-only">{WORDS[item.state]}:</span>
        <span className="min-w-0 truncate">{item.title}</span>
        {item.title !== item.name && <code className="hidden truncate font-mono text-xs text-ink-faint sm:inline">{item.name}</code>}
        <span className="ml-auto flex shrink-0 items-center gap-2 text-[13px] text-ink-faint">
          {item.isHosted === true && <Badge>by the provider</Badge>}
          {item.decision !== undefined && <Badge tone={item.decision === 'approved' ? 'good' : 'bad'}>{item.decision}</Badge>}
          {item.attempt > 1 && <Badge tone="warn">attempt {item.attempt}</Badge>}
          {item.state === 'client' && !asks && 'waits for an answer from outside'}
          {item.durationMs !== undefined && duration(item.durationMs)}
          <ChevronRight aria-hidden className={`size-3.5 transition-transform ${isOpen ? 'rotate-90' : ''}`} />
        </span>
      </button>
      {item.progress !== undefined && item.state === 'running' && <p className="px-3 pb-2 text-[13px] text-ink-soft">{item.progress}</p>}
      {item.state === 'error' && item.error !== undefined && !isOpen && (
        <p className="mb-2 line-clamp-2 px-3 pl-9.5 text-[13px] text-bad">{item.error}</p>
      )}
      {!isOpen && printed.length > 0 && <Output printed={printed} />}
      {isOpen && <Details item={item} />}
      {item.state === 'approval' && <Approval item={item} />}
      {asks && <Questions item={item} />}
    </div>
  );
}

function Output({ printed }: { printed: [stream: string, { text: string }][] }) {
  return (
    <div className="px-3 pb-3">
      {printed.map(([stream, { text }]) => (
        <Mono key={stream} label={stream} text={text} atEnd />
      ))}
    </div>
  );
}

function Details({ item }: { item: ToolItem }) {
  const results = item.result ?? [];
  return (
    <div className="flex flex-col gap-3 border-t border-line px-3 py-3">
      {item.attempt > 1 && <p className="text-[13px] text-warn">The call began again (attempt {item.attempt}).</p>}
      <Mono label="Arguments" text={pretty(item.arguments)} />
      {results.length === 0 &&
        Object.entries(item.output).map(([stream, { text }]) => (
          <Mono key={stream} label={stream} text={text} atEnd={item.state === 'running'} />
        ))}
      {item.error !== undefined && <Mono label="Error" text={item.error} />}
      {item.error === undefined && results.map((part, index) => <Mono key={index} label="Result" text={pretty(resultOf(part))} />)}
    </div>
  );
}

function resultOf(part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part;
  if ('result' in part) return part.result;
  return 'text' in part ? part.text : part;
}

const MOST_CHARS = 20_000;

function pretty(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '');
  return text.length <= MOST_CHARS ? text : `${text.slice(0, MOST_CHARS)}\n… ${text.length - MOST_CHARS} more characters`;
}

function Mono({ label, text, atEnd = false }: { label: string; text: string; atEnd?: boolean }) {
  return (
    <div>
      <p className="mb-1 text-xs text-ink-faint">{label}</p>
      {/* Read from its end while it grows: the column is turned around. */}
      <div
        role="region"
        aria-label={label}
        tabIndex={0}
        className={`max-h-72 overflow-auto rounded-lg bg-sunken p-2.5 ${atEnd ? 'flex flex-col-reverse' : ''}`}
      >
        <pre className="font-mono text-[13px] break-words whitespace-pre-wrap">{text}</pre>
      </div>
    </div>
  );
}
