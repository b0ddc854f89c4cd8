import { useMutation } from '@tanstack/react-query';
import { ArrowUp, Square } from 'lucide-react';
import { useState } from 'react';
import type { KeyboardEvent } from 'react';
import { everruns } from '../../data/client.ts';
import { Button } from '../../ui/button.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { sessionRoute } from './session-queries.ts';

/** Where messages are written. What was begun stays, also when the page is left. */
export function Composer({ isRunning }: { isRunning: boolean }) {
  const { sessionId } = sessionRoute.useParams();
  const draft = `draft ${sessionId}`;
  const [text, setText] = useState(() => sessionStorage.getItem(draft) ?? '');
  const write = (value: string): void => {
    setText(value);
    if (value === '') sessionStorage.removeItem(draft);
    else sessionStorage.setItem(draft, value);
  };
  const send = useMutation({ mutationFn: (message: string) => everruns.send(sessionId, message), onSuccess: () => write('') });
  const cancel = useMutation({ mutationFn: () => everruns.cancel(sessionId) });
  const submit = (): void => {
    if (text.trim() !== '' && !send.isPending) send.mutate(text);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  const error = send.error ?? cancel.error;
  return (
    <div className="mx-auto w-full max-w-3xl px-4 pb-4 sm:px-6">
      {error !== null && (
        <div className="mb-2">
          <ErrorNote error={error} {...(send.error !== null && { retry: submit })} />
        </div>
      )}
      <div className="flex items-end gap-2 rounded-2xl border border-line-strong bg-surface p-2 focus-within:border-focus">
        <textarea
          aria-label="Message"
          aria-describedby="composer-hint"
          placeholder={isRunning ? 'Tell it more while it works' : 'Write a message'}
          rows={1}
          value={text}
          onChange={(event) => write(event.target.value)}
          onKeyDown={onKeyDown}
          className="field-sizing-content max-h-60 min-h-9 grow resize-none bg-transparent px-2 py-1.5 leading-relaxed outline-none"
        />
        {isRunning && (
          <Button
            square
            aria-label="Cancel the turn"
            title="Cancel the turn"
            disabled={cancel.isPending}
            onClick={() => cancel.mutate()}
            icon={<Square aria-hidden className="size-3.5 fill-current" />}
          />
        )}
        <Button
          kind="primary"
          square
          aria-label="Send"
          title="Send"
          disabled={text.trim() === '' || send.isPending}
          onClick={submit}
          icon={<ArrowUp aria-hidden className="size-4" />}
        />
      </div>
      <p id="composer-hint" className="mt-1.5 px-2 text-[13px] text-ink-faint">
        {isRunning ? 'A turn is running: your message joins it.' : 'Enter sends, Shift+Enter begins a new line.'}
      </p>
    </div>
  );
}
