import { getRouteApi } from '@tanstack/react-router';
import { Waypoints } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Badge, Empty, Skeleton } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';
import { duration } from '../../ui/time.tsx';
import { JsonView } from './json-view.tsx';
import { useLog, useSnapshot } from './log-context.ts';
import { barOf, timelineOf } from './timeline-rows.ts';
import type { TimelineRow, TurnTimeline } from './timeline-rows.ts';
import { costText, number, tokensText } from './usage-text.ts';

const route = getRouteApi('/sessions/$sessionId/timeline');
const PAGE = 20;
const LOADED_AT_ONCE = 500;

/** What each turn did and when, the newest turn first. */
export function Timeline() {
  const log = useLog();
  const events = useSnapshot((snapshot) => snapshot.events);
  const isLoaded = useSnapshot((snapshot) => snapshot.isLoaded);
  const hasOlder = useSnapshot((snapshot) => snapshot.hasOlder);
  const isLoadingOlder = useSnapshot((snapshot) => snapshot.isLoadingOlder);
  const [count, setCount] = useState(PAGE);
  const turns = useMemo(() => timelineOf(events).toReversed(), [events]);
  const nowMs = useNow(turns[0]?.status === 'running');
  if (!isLoaded) {
    return (
      <div className="mx-auto max-w-5xl p-6">
        <Skeleton />
      </div>
    );
  }
  const more = (): void => {
    setCount(count + PAGE);
    if (count + PAGE > turns.length) void log.loadOlder(LOADED_AT_ONCE);
  };
  return (
    <div className="h-full overflow-y-auto" tabIndex={0} role="region" aria-label="Timeline">
      <div className="mx-auto flex max-w-5xl flex-col gap-4 px-4 py-5 sm:px-6">
        {turns.length === 0 && (
          <Empty icon={<Waypoints className="size-8" />} title="No turn yet">
            Each message begins a turn. Here you see what it did: calls of the model, tools and what it waited for.
          </Empty>
        )}
        {turns.slice(0, count).map((turn) => (
          <Turn key={turn.turnId} turn={turn} nowMs={turn.endMs ?? nowMs} />
        ))}
        {(hasOlder || turns.length > count) && (
          <Button className="self-center" disabled={isLoadingOlder} onClick={more}>
            Earlier turns
          </Button>
        )}
      </div>
    </div>
  );
}

const TICK_MS = 500;

/** The time, as long as something moves. */
function useNow(isMoving: boolean): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    if (!isMoving) return;
    const timer = setInterval(() => setNowMs(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [isMoving]);
  return nowMs;
}

const TONES: Readonly<Record<TurnTimeline['status'], Tone>> = {
  running: 'accent',
  completed: 'good',
  failed: 'bad',
  cancelled: 'warn',
  sealed: 'bad',
};

function Turn({ turn, nowMs }: { turn: TurnTimeline; nowMs: number }) {
  const { turn: chosenTurn, step } = route.useSearch();
  const navigate = route.useNavigate();
  const facts = [
    duration(Math.max(0, nowMs - turn.startMs)),
    turn.usage !== undefined && tokensText(turn.usage),
    turn.usage !== undefined && costText(turn.usage),
  ].filter(Boolean);
  const choose = (key: string): void => {
    const isOpen = chosenTurn === turn.turnId && step === key;
    void navigate({ search: isOpen ? {} : { turn: turn.turnId, step: key }, replace: true });
  };
  return (
    <section className="rounded-xl border border-line bg-surface [contain-intrinsic-size:auto_160px] [content-visibility:auto]">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2.5">
        <h2 className="min-w-0 max-w-full truncate text-sm font-medium sm:max-w-md">{turn.label === '' ? 'Turn' : turn.label}</h2>
        <Badge tone={TONES[turn.status]}>{turn.status}</Badge>
        <p className="text-[13px] text-ink-faint sm:ml-auto">
          {new Date(turn.startMs).toLocaleTimeString()} · {facts.join(' · ')}
        </p>
      </header>
      <ol className="py-1.5">
        {turn.rows.map((row) => (
          <Step key={row.key} row={row} turn={turn} nowMs={nowMs} isOpen={step === row.key} onChoose={() => choose(row.key)} />
        ))}
      </ol>
    </section>
  );
}

const BARS: Readonly<Record<TimelineRow['kind'], string>> = { model: 'bg-accent', tool: 'bg-good', wait: 'bg-warn', other: 'bg-ink-faint' };
const KINDS: Readonly<Record<TimelineRow['kind'], string>> = { model: 'Model', tool: 'Tool', wait: 'Wait', other: 'Other' };

interface StepProps {
  row: TimelineRow;
  turn: TurnTimeline;
  nowMs: number;
  isOpen: boolean;
  onChoose: () => void;
}

function Step({ row, turn, nowMs, isOpen, onChoose }: StepProps) {
  const { left, width } = barOf(row, turn, nowMs);
  const tookMs = Math.max(0, (row.endMs ?? nowMs) - row.startMs);
  const isBad = row.state === 'failed' || row.state === 'lost';
  return (
    <li>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={onChoose}
        className="grid w-full cursor-pointer grid-cols-[minmax(0,9rem)_1fr_4.5rem] items-center gap-3 px-4 py-1 text-left text-[13px] hover:bg-sunken sm:grid-cols-[minmax(0,14rem)_1fr_5rem]"
      >
        <span className={`truncate ${isBad ? 'text-bad' : ''}`}>
          <span className="sr-only">{KINDS[row.kind]}: </span>
          {row.label}
          {row.attempt > 1 && <span className="text-warn"> attempt {row.attempt}</span>}
        </span>
        <span aria-hidden className="relative h-4 rounded bg-sunken">
          <span
            className={`absolute inset-y-0 rounded ${isBad ? 'bg-bad' : BARS[row.kind]} ${row.state === 'running' ? 'animate-pulse' : ''}`}
            style={{ left: `${left}%`, width: `${width}%` }}
          />
        </span>
        <span className="text-right text-ink-soft tabular-nums">{duration(tookMs)}</span>
      </button>
      {isOpen && <Details row={row} tookMs={tookMs} turn={turn} />}
    </li>
  );
}

function Details({ row, tookMs, turn }: { row: TimelineRow; tookMs: number; turn: TurnTimeline }) {
  const { usage } = row;
  const cost = usage === undefined ? null : costText(usage);
  const facts: (readonly [string, string])[] = [
    ['State', row.state === 'lost' ? 'its worker was lost' : row.state],
    ['Began after', duration(Math.max(0, row.startMs - turn.startMs))],
    ['Took', duration(tookMs)],
    ...(row.detail === undefined ? [] : [['About', row.detail] as const]),
    ...(row.firstTokenMs === undefined ? [] : [['First token after', duration(row.firstTokenMs)] as const]),
    ...(usage === undefined
      ? []
      : [
          ['Tokens in', `${number(usage.input_tokens)}, of them ${number(usage.cache_read_tokens ?? 0)} from the cache`] as const,
          ['Tokens out', number(usage.output_tokens)] as const,
        ]),
    ...(cost === null ? [] : [['Cost', cost] as const]),
  ];
  return (
    <div className="mx-4 my-2 rounded-lg border border-line p-3">
      <dl className="mb-3 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-[13px]">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-ink-faint">{name}</dt>
            <dd className="break-words">{value}</dd>
          </div>
        ))}
      </dl>
      {row.events.map((event) => (
        <details key={event.id} className="mt-2 text-[13px]">
          <summary className="cursor-pointer text-ink-soft">
            <code className="font-mono">{event.type}</code>
          </summary>
          <JsonView value={event} />
        </details>
      ))}
    </div>
  );
}
