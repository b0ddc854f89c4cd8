import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Brain, ChevronRight, Copy, GitFork, ShieldAlert } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { api } from '../../data/client.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Badge, sentenceOf } from '../../ui/notes.tsx';
import { duration } from '../../ui/time.tsx';
import { BlobPicture } from './blob-picture.tsx';
import type { AgentItem, EndItem, Message, NoticeItem, ThinkingItem, UserItem } from './conversation-types.ts';
import { useSnapshot } from './log-context.ts';
import { sessionRoute } from './session-queries.ts';
import { TaskState } from './task-state.tsx';
import { costText, tokensText } from './usage-text.ts';
import { useKept } from './kept.ts';

const Markdown = lazy(() => import('./markdown.tsx').then((module) => ({ default: module.Markdown })));

/** The text as it is until the part that reads Markdown is there. */
function Text({ text, isStreaming }: { text: string; isStreaming?: boolean }) {
  return (
    <Suspense fallback={<p className="leading-relaxed break-words whitespace-pre-wrap">{text}</p>}>
      <Markdown text={text} isStreaming={isStreaming ?? false} />
    </Suspense>
  );
}

export function UserRow({ item }: { item: UserItem }) {
  const { message, steers } = item;
  const text = message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  return (
    <article aria-label="Your message" className="group flex flex-col items-end gap-1">
      {message.external_actor !== undefined && (
        <p className="text-[13px] text-ink-faint">
          {message.external_actor.actor_name ?? message.external_actor.actor_id} · {message.external_actor.source}
        </p>
      )}
      <div className="flex max-w-full items-end gap-1 sm:max-w-[90%]">
        <MessageActions messageId={message.id} text={text} />
        <div className="min-w-0 rounded-2xl rounded-br-md bg-accent-soft px-4 py-2.5">
          <LongText text={text} />
          <Pictures content={message.content} />
        </div>
      </div>
      {steers && <p className="text-[13px] text-ink-faint">Sent while the turn was running</p>}
    </article>
  );
}

const LONG_CHARS = 1_500;

function LongText({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(text.length <= LONG_CHARS);
  return (
    <>
      <p className="leading-relaxed break-words whitespace-pre-wrap">{isWhole ? text : `${text.slice(0, LONG_CHARS)}…`}</p>
      {!isWhole && (
        <button type="button" onClick={() => setWhole(true)} className="mt-1 cursor-pointer text-sm text-accent underline">
          Show all of it
        </button>
      )}
    </>
  );
}

export function AgentRow({ item }: { item: AgentItem }) {
  const isStreaming = item.state === 'streaming';
  return (
    <article aria-label="Answer" aria-busy={isStreaming} className="group">
      {item.state === 'replaced' && (
        <p className="mb-1.5 flex items-center gap-1.5 text-[13px] text-warn">
          <ShieldAlert aria-hidden className="size-4" /> A guardrail replaced this answer{item.reason !== undefined && ` (${item.reason})`}
        </p>
      )}
      {item.text === '' && isStreaming ? <Writing /> : <Text text={item.text} isStreaming={isStreaming} />}
      <Pictures content={item.content} />
      {item.state === 'interrupted' && <p className="mt-1.5 text-[13px] text-ink-faint">Ended here by a cancel</p>}
      {!isStreaming && (
        <div className="-mb-3 -ml-1.5">
          <MessageActions messageId={item.key} text={item.text} />
        </div>
      )}
    </article>
  );
}

export const Writing = () => (
  <p className="flex h-7 items-center gap-1" aria-label="The agent is working">
    {[0, 150, 300].map((delayMs) => (
      <span
        key={delayMs}
        className="size-1.5 animate-pulse rounded-full bg-ink-faint"
        style={{ animationDelay: `${delayMs}ms` }}
        aria-hidden
      />
    ))}
  </p>
);

function MessageActions({ messageId, text }: { messageId: string; text: string }) {
  const { sessionId } = sessionRoute.useParams();
  const navigate = useNavigate();
  const fork = useMutation({
    mutationFn: () =>
      api.post('/v1/sessions/{id}/fork', { params: { path: { id: sessionId } }, body: { up_to_message_id: messageId } }) as Promise<
        Schemas['Session']
      >,
    onSuccess: ({ id }) => navigate({ to: '/sessions/$sessionId', params: { sessionId: id } }),
  });
  return (
    <div className="flex h-7 shrink-0 items-center opacity-0 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 [@media(hover:none)]:opacity-100">
      {text !== '' && (
        <Button
          kind="quiet"
          square
          className="size-7"
          aria-label="Copy"
          title="Copy"
          onClick={() => void navigator.clipboard.writeText(text)}
          icon={<Copy aria-hidden className="size-3.5" />}
        />
      )}
      <Button
        kind="quiet"
        square
        className="size-7"
        aria-label="Fork here"
        title="Fork: another session with everything up to the end of this turn"
        disabled={fork.isPending}
        onClick={() => fork.mutate()}
        icon={<GitFork aria-hidden className="size-3.5" />}
      />
      {fork.error !== null && (
        <span role="alert" className="ml-2 text-[13px] text-bad">
          {sentenceOf(fork.error)}
        </span>
      )}
    </div>
  );
}

function Pictures({ content }: { content: Message['content'] }) {
  const pictures = content.filter((part) => part.type === 'image' || part.type === 'image_file');
  if (pictures.length === 0) return null;
  return (
    <div className="mt-2 flex flex-wrap gap-2">
      {pictures.map((part, index) =>
        part.type === 'image_file' ? (
          <img
            key={index}
            alt={part.filename ?? 'Picture'}
            src={`/api/v1/images/${encodeURIComponent(part.image_id)}`}
            className={PICTURE}
          />
        ) : (
          <Picture key={index} {...part} />
        ),
      )}
    </div>
  );
}

const PICTURE = 'max-h-80 max-w-full rounded-lg';

function Picture({ url, base64, media_type: mediaType }: Extract<Message['content'][number], { type: 'image' }>) {
  if (base64 !== undefined && mediaType?.startsWith('image/') === true) {
    return <BlobPicture base64={base64} mediaType={mediaType} name="Picture" className={PICTURE} />;
  }
  if (url === undefined || !/^https?:/i.test(url)) return null;
  return <img src={url} alt="" referrerPolicy="no-referrer" className={PICTURE} />;
}

export function ThinkingRow({ item }: { item: ThinkingItem }) {
  const [isOpen, setOpen] = useKept(item.key, false);
  return (
    <div>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="flex cursor-pointer items-center gap-1.5 text-[13px] text-ink-faint hover:text-ink"
      >
        <Brain aria-hidden className={`size-4 ${item.isStreaming ? 'animate-pulse' : ''}`} />
        {item.isStreaming ? 'Thinks' : 'Thought'}
        <ChevronRight aria-hidden className={`size-3.5 transition-transform ${isOpen ? 'rotate-90' : ''}`} />
      </button>
      {isOpen && <p className="mt-1.5 border-l-2 border-line pl-3 text-sm break-words whitespace-pre-wrap text-ink-soft">{item.text}</p>}
    </div>
  );
}

const TONES = { plain: 'text-ink-faint', good: 'text-good', warn: 'text-warn', bad: 'text-bad' } as const;

export function NoticeRow({ item }: { item: NoticeItem }) {
  if (item.taskId !== undefined) return <TaskRow id={item.taskId} />;
  return (
    <p className={`flex flex-wrap items-center justify-center gap-1.5 py-1 text-center text-[13px] ${TONES[item.tone]}`}>
      {item.text}
      {item.sessionId !== undefined && (
        <Link to="/sessions/$sessionId" params={{ sessionId: item.sessionId }} className="text-accent underline">
          to where it came from
        </Link>
      )}
    </p>
  );
}

function TaskRow({ id }: { id: string }) {
  const { sessionId } = sessionRoute.useParams();
  const task = useSnapshot(({ conversation }) => conversation.tasks[id]);
  if (task === undefined) return null;
  return (
    <div className="flex flex-wrap items-center gap-2 rounded-lg border border-line bg-surface px-3 py-2 text-sm">
      <TaskState state={task.state} />
      <span className="min-w-0 grow truncate font-medium">{task.display_name}</span>
      <Link to="/sessions/$sessionId/tasks" params={{ sessionId }} search={{ task: id }} className="text-accent underline">
        Task
      </Link>
      {task.links?.child_session_id !== undefined && (
        <Link to="/sessions/$sessionId" params={{ sessionId: task.links.child_session_id }} className="text-accent underline">
          Its session
        </Link>
      )}
    </div>
  );
}

const ENDS = { completed: 'Done', failed: 'The turn failed', cancelled: 'Cancelled', sealed: 'Stopped: no progress' } as const;

export function EndRow({ item }: { item: EndItem }) {
  const facts = [
    item.durationMs !== undefined && duration(item.durationMs),
    item.modelCalls !== undefined && item.modelCalls > 1 && `${item.modelCalls} model calls`,
    item.toolCalls !== undefined && item.toolCalls > 0 && `${item.toolCalls} ${item.toolCalls === 1 ? 'tool' : 'tools'}`,
    item.usage !== undefined && tokensText(item.usage),
    item.usage !== undefined && costText(item.usage),
  ].filter(Boolean);
  if (item.status === 'failed' || item.status === 'sealed') {
    return (
      <div className="rounded-xl bg-bad-soft px-4 py-3 text-sm text-bad">
        <p className="font-medium">{ENDS[item.status]}</p>
        {item.text !== undefined && item.isTold !== true && <p className="mt-0.5 break-words whitespace-pre-wrap">{item.text}</p>}
        {item.code !== undefined && <p className="mt-1 font-mono text-[13px]">{item.code}</p>}
      </div>
    );
  }
  return (
    <p className="flex items-center gap-2 border-b border-line pb-4 text-[13px] text-ink-faint">
      {item.status === 'cancelled' && <Badge tone="warn">cancelled</Badge>}
      {facts.join(' · ')}
    </p>
  );
}
