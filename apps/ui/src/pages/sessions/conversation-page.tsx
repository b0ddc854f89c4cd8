import { useMutation } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, MessagesSquare } from 'lucide-react';
import { memo, useEffect } from 'react';
import { api } from '../../data/client.ts';
import { Button } from '../../ui/button.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { announcement } from './announcement.ts';
import { Composer } from './composer.tsx';
import type { Block, Item } from './conversation-types.ts';
import { useFollowing } from './following.ts';
import { useLog, useSnapshot } from './log-context.ts';
import { AgentRow, EndRow, NoticeRow, ThinkingRow, UserRow, Writing } from './message-rows.tsx';
import { sessionRoute } from './session-queries.ts';
import { ToolRow } from './tool-row.tsx';
import { number } from './usage-text.ts';

export function ConversationPage() {
  const isLoaded = useSnapshot((snapshot) => snapshot.isLoaded);
  const error = useSnapshot((snapshot) => snapshot.error);
  const isRunning = useSnapshot(({ conversation }) => conversation.blocks.at(-1)?.isRunning === true);
  return (
    <div className="flex h-full min-h-0 flex-col">
      <Lost />
      {error !== null && (
        <div className="mx-auto w-full max-w-3xl p-4">
          <ErrorNote error={error} retry={() => window.location.reload()} />
        </div>
      )}
      {isLoaded ? (
        <Rows />
      ) : (
        <div className="mx-auto w-full max-w-3xl grow p-6">
          <Skeleton />
        </div>
      )}
      <Announcer />
      <BudgetPause />
      <Composer isRunning={isRunning} />
    </div>
  );
}

function Lost() {
  const isLost = useSnapshot(({ connection }) => connection === 'lost');
  if (!isLost) return null;
  return (
    <p role="status" className="bg-warn-soft px-4 py-1.5 text-center text-[13px] text-warn">
      The connection is lost and being taken up again. Nothing of the conversation is missed.
    </p>
  );
}

/** Readers are told what happened, once it has. */
function Announcer() {
  const text = useSnapshot(({ conversation }) => announcement(conversation.blocks.at(-1)));
  return (
    <p aria-live="polite" className="sr-only">
      {text}
    </p>
  );
}

const NEAR_START_ROWS = 5;

/** All items of all blocks, made anew only for changed blocks. */
function flat(blocks: readonly Block[]): readonly Item[] {
  const last = blocks.at(-1);
  const items = blocks.flatMap((block) => block.items);
  return last?.isRunning === true && !isBusy(last) ? [...items, WORKING] : items;
}

const WORKING: Item = { kind: 'notice', key: 'working', tone: 'plain', text: 'working', at: '' };

/** Something of the turn shows already that it goes on. */
function isBusy({ items, budget }: Block): boolean {
  const last = items.at(-1);
  if (budget !== null) return true;
  if (last?.kind === 'agent') return last.state === 'streaming';
  return last?.kind === 'tool' && !['success', 'error', 'timeout', 'cancelled'].includes(last.state);
}

function Rows() {
  const log = useLog();
  const blocks = useSnapshot(({ conversation }) => conversation.blocks);
  const hasOlder = useSnapshot((snapshot) => snapshot.hasOlder);
  const items = flat(blocks);
  const hasRows = items.length > 0;
  const { frame, isAtEnd, onScroll, toEnd } = useFollowing<HTMLDivElement>(hasRows);
  // oxlint-disable-next-line react/incompatible-library -- nothing here is memoized by a compiler
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => frame.current,
    estimateSize: (index) => ESTIMATES[items[index]?.kind ?? 'notice'],
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 4,
    paddingStart: 24,
    paddingEnd: 16,
    anchorTo: 'end',
  });
  const shown = rows.getVirtualItems();
  const firstShown = shown[0]?.index ?? 0;
  useEffect(() => {
    if (hasOlder && firstShown < NEAR_START_ROWS) void log.loadOlder();
  }, [log, hasOlder, firstShown, items.length]);
  if (!hasRows) return <NothingSaid />;
  return (
    <div className="relative min-h-0 grow">
      <div
        ref={frame}
        role="log"
        aria-label="Conversation"
        aria-live="off"
        tabIndex={0}
        onScroll={onScroll}
        className="h-full overflow-y-auto overflow-x-hidden [overflow-anchor:none] focus-visible:outline-offset-[-2px]"
      >
        <div className="relative mx-auto w-full max-w-3xl" style={{ height: rows.getTotalSize() }}>
          {shown.map(({ index, key, start }) => (
            <div
              key={key}
              data-index={index}
              ref={rows.measureElement}
              className="absolute top-0 left-0 w-full px-4 pb-4 sm:px-6"
              style={{ transform: `translateY(${start}px)` }}
            >
              <Row item={items[index] as Item} />
            </div>
          ))}
        </div>
      </div>
      {!isAtEnd && (
        <Button
          className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-md"
          icon={<ArrowDown aria-hidden className="size-4" />}
          onClick={toEnd}
        >
          To the end
        </Button>
      )}
    </div>
  );
}

const ESTIMATES: Readonly<Record<Item['kind'], number>> = { user: 96, agent: 130, thinking: 36, tool: 56, notice: 44, end: 52 };

const Row = memo(({ item }: { item: Item }) => {
  switch (item.kind) {
    case 'user':
      return <UserRow item={item} />;
    case 'agent':
      return <AgentRow item={item} />;
    case 'thinking':
      return <ThinkingRow item={item} />;
    case 'tool':
      return <ToolRow item={item} />;
    case 'end':
      return <EndRow item={item} />;
    case 'notice':
      return item === WORKING ? <Writing /> : <NoticeRow item={item} />;
  }
});

const NothingSaid = () => (
  <div className="mx-auto flex w-full max-w-3xl grow flex-col justify-center p-6">
    <Empty icon={<MessagesSquare className="size-8" />} title="Nothing was said yet">
      Write the first message below. The agent answers here, with everything that it does on the way.
    </Empty>
  </div>
);

function BudgetPause() {
  const { sessionId } = sessionRoute.useParams();
  const budget = useSnapshot(({ conversation }) => conversation.blocks.at(-1)?.budget ?? null);
  const resume = useMutation({ mutationFn: () => api.post('/v1/sessions/{id}/resume', { params: { path: { id: sessionId } } }) });
  if (budget === null) return null;
  return (
    <div className="mx-auto w-full max-w-3xl px-4 pb-2 sm:px-6">
      <div className="flex flex-wrap items-center gap-3 rounded-xl bg-warn-soft px-4 py-3 text-sm text-warn">
        <p className="grow">
          {budget.message ?? 'The turn waits for a budget.'} {number(budget.balance)} of {number(budget.limit)} {budget.currency} are left.
        </p>
        <Button disabled={resume.isPending} onClick={() => resume.mutate()}>
          Resume
        </Button>
      </div>
      {resume.error !== null && <ErrorNote error={resume.error} />}
    </div>
  );
}
