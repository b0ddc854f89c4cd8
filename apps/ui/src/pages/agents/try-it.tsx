import { Link } from '@tanstack/react-router';
import type { Decision } from '@everruns/client';
import { Check, CircleAlert, CircleDashed, ExternalLink, RotateCcw, SendHorizontal, Square } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import type { FormEvent, KeyboardEvent } from 'react';
import { api, everruns } from '../../data/client.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { Markdown } from '../sessions/markdown.tsx';
import { withEvent, withText } from './exchange.ts';
import type { ExchangePart } from './exchange.ts';

interface Exchange {
  id: number;
  said: string;
  parts: readonly ExchangePart[];
  state: 'running' | 'completed' | 'failed' | 'cancelled' | 'sealed';
}

interface Pending {
  id: string;
  name: string;
  reason: string | undefined;
  /** What it would be called with. */
  args: unknown;
  decide: (decision: Decision) => void;
}

interface TryItProps {
  /** What the session is made of. */
  of: { agent_id: string } | { harness_id: string };
  /** What is tried is not what stands in the editor. */
  isUnsaved: boolean;
}

/** A conversation with what is saved, beside its editor. */
export function TryIt({ of, isUnsaved }: TryItProps) {
  const chat = useChat(of);
  const { exchanges, pending, waits, sessionId, error, isRunning } = chat;
  const scroll = useRef<HTMLDivElement>(null);
  useEffect(() => {
    scroll.current?.scrollTo({ top: scroll.current.scrollHeight });
  }, [exchanges, pending]);
  return (
    <section aria-label="Try it" className="flex h-[min(44rem,calc(100dvh-11rem))] flex-col rounded-xl border border-line bg-surface">
      <div className="flex h-12 shrink-0 items-center gap-1 border-b border-line px-3 text-sm">
        <span className="grow truncate text-ink-faint">{isUnsaved ? 'Tries what is saved, not your changes' : 'A session of its own'}</span>
        {sessionId !== null && (
          <>
            <Link
              to="/sessions/$sessionId"
              params={{ sessionId }}
              className="flex items-center gap-1.5 rounded-lg px-2 py-1.5 text-[13px] text-accent hover:bg-sunken"
            >
              <ExternalLink aria-hidden className="size-3.5" />
              Open as session
            </Link>
            <Button kind="quiet" square aria-label="Begin anew" title="Begin anew" disabled={isRunning} onClick={chat.reset}>
              <RotateCcw aria-hidden className="size-4" />
            </Button>
          </>
        )}
      </div>
      {/* It can be scrolled with the keyboard. */}
      <div
        ref={scroll}
        className="flex min-h-0 grow flex-col gap-4 overflow-y-auto p-4"
        tabIndex={0}
        role="region"
        aria-label="Conversation"
      >
        {exchanges.length === 0 && (
          <p className="m-auto max-w-64 text-center text-sm text-ink-faint">
            Say something to see what it answers, and which tools it takes.
          </p>
        )}
        {exchanges.map((exchange) => (
          <OneExchange key={exchange.id} exchange={exchange} />
        ))}
        {pending.map((call) => (
          <Approval key={call.id} call={call} />
        ))}
        {waits && sessionId !== null && (
          <p className="rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
            It waits for an answer that this panel cannot give.{' '}
            <Link to="/sessions/$sessionId" params={{ sessionId }} className="underline">
              Answer in the session
            </Link>
          </p>
        )}
        {error !== null && <ErrorNote error={error} />}
      </div>
      <p role="status" className="sr-only">
        {chat.announcement}
      </p>
      <Composer isRunning={isRunning} onSend={chat.send} onStop={chat.stop} />
    </section>
  );
}

function useChat(of: TryItProps['of']) {
  const [sessionId, setSessionId] = useState<string | null>(null);
  const [exchanges, setExchanges] = useState<readonly Exchange[]>([]);
  const [pending, setPending] = useState<readonly Pending[]>([]);
  const [waits, setWaits] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [announcement, setAnnouncement] = useState('');
  const leave = useRef(new AbortController());
  useEffect(() => {
    const controller = new AbortController();
    leave.current = controller;
    return () => controller.abort();
  }, []);
  const isRunning = exchanges.at(-1)?.state === 'running';

  const update = (id: number, next: (exchange: Exchange) => Exchange): void =>
    setExchanges((all) => all.map((each) => (each.id === id ? next(each) : each)));

  const session = async (): Promise<string> => {
    if (sessionId !== null) return sessionId;
    const { id } = await api.post('/v1/sessions', { body: of });
    setSessionId(id);
    void queryClient.invalidateQueries({ queryKey: scoped('sessions') });
    return id;
  };

  const send = async (said: string): Promise<void> => {
    const { signal } = leave.current;
    const args = new Map<string, unknown>();
    const id = exchanges.length;
    setError(null);
    setExchanges((all) => [...all, { id, said, parts: [], state: 'running' }]);
    try {
      const { status, text } = await everruns.runTurn(await session(), said, {
        signal,
        onText: (more) => update(id, (each) => ({ ...each, parts: withText(each.parts, more) })),
        onEvent: (event) => {
          if (event.type === 'tool.approval_requested') for (const call of event.data.tool_calls) args.set(call.id, call.arguments);
          if (event.type === 'tool.call_requested') setWaits(true);
          if (event.type === 'tool.completed') setWaits(false);
          update(id, (each) => ({ ...each, parts: withEvent(each.parts, event) }));
        },
        approve: (call) =>
          new Promise((resolve) => {
            const decide = (decision: Decision): void => {
              setPending((all) => all.filter((other) => other.id !== call.id));
              resolve(decision);
            };
            setPending((all) => [
              ...all,
              { id: call.id, name: call.display_name ?? call.name, reason: call.reason, args: args.get(call.id), decide },
            ]);
          }),
      });
      update(id, (each) => ({ ...each, state: status }));
      setAnnouncement(status === 'completed' ? `Answer: ${text}` : `The turn ended: ${status}.`);
    } catch (failure) {
      if (signal.aborted) return;
      update(id, (each) => ({ ...each, state: 'failed' }));
      setError(failure);
    }
    setPending([]);
    setWaits(false);
  };

  const stop = (): void => {
    if (sessionId !== null) everruns.cancel(sessionId).catch(setError);
  };
  const reset = (): void => {
    setSessionId(null);
    setExchanges([]);
    setError(null);
  };
  return { sessionId, exchanges, pending, waits, error, announcement, isRunning, send, stop, reset };
}

function OneExchange({ exchange: { said, parts, state } }: { exchange: Exchange }) {
  return (
    <div className="flex flex-col gap-2">
      <p className="max-w-[85%] self-end rounded-2xl rounded-br-md bg-accent-soft px-3.5 py-2 text-sm break-words whitespace-pre-wrap">
        {said}
      </p>
      {parts.map((part) =>
        part.kind === 'text' ? (
          <div key={part.id} className="text-sm">
            <Markdown text={part.text} isStreaming={state === 'running'} />
          </div>
        ) : (
          <ToolLine key={part.id} part={part} />
        ),
      )}
      {state === 'running' && <p className="animate-pulse text-[13px] text-ink-faint">Working</p>}
      {state === 'failed' && <p className="text-[13px] text-bad">The turn failed. The session says why.</p>}
      {state === 'cancelled' && <p className="text-[13px] text-ink-faint">Stopped.</p>}
    </div>
  );
}

const TOOL_ICONS = { running: CircleDashed, done: Check, failed: CircleAlert } as const;

function ToolLine({ part }: { part: Extract<ExchangePart, { kind: 'tool' }> }) {
  const Icon = TOOL_ICONS[part.state];
  return (
    <p className={`flex items-start gap-2 text-[13px] ${part.state === 'failed' ? 'text-bad' : 'text-ink-soft'}`}>
      <Icon aria-hidden className="mt-0.5 size-3.5 shrink-0" />
      <span className="min-w-0 break-words">
        {part.title}
        {part.note !== undefined && `: ${part.note}`}
      </span>
    </p>
  );
}

function Approval({ call: { name, reason, args, decide } }: { call: Pending }) {
  return (
    <div role="group" aria-label={`Approval of ${name}`} className="flex flex-col gap-2 rounded-lg border border-line bg-warn-soft p-3">
      <p className="text-sm text-warn">
        It wants to use <strong>{name}</strong>. {reason}
      </p>
      {args !== undefined && (
        <pre tabIndex={0} className="max-h-40 overflow-auto rounded-lg bg-surface p-2 font-mono text-xs break-words whitespace-pre-wrap">
          {JSON.stringify(args, null, 2)}
        </pre>
      )}
      <div className="flex gap-2">
        <Button kind="primary" onClick={() => decide('allow')}>
          Allow
        </Button>
        <Button onClick={() => decide('reject')}>Reject</Button>
      </div>
    </div>
  );
}

interface ComposerProps {
  isRunning: boolean;
  onSend: (text: string) => unknown;
  onStop: () => void;
}

function Composer({ isRunning, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState('');
  const submit = (event: FormEvent | KeyboardEvent): void => {
    event.preventDefault();
    if (text.trim() === '' || isRunning) return;
    setText('');
    void onSend(text.trim());
  };
  return (
    <form onSubmit={submit} className="flex items-end gap-2 border-t border-line p-3">
      <textarea
        aria-label="Message"
        placeholder="Message"
        rows={2}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing && submit(event)}
        className="min-h-9 grow resize-none rounded-lg border border-line-strong bg-surface px-3 py-2 text-sm"
      />
      {isRunning ? (
        <Button square aria-label="Stop" title="Stop" onClick={onStop}>
          <Square aria-hidden className="size-4" />
        </Button>
      ) : (
        <Button kind="primary" square type="submit" aria-label="Send" title="Send" disabled={text.trim() === ''}>
          <SendHorizontal aria-hidden className="size-4" />
        </Button>
      )}
    </form>
  );
}
