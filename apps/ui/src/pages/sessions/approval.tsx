import { useMutation } from '@tanstack/react-query';
import type { Decision } from '@everruns/client';
import { useState } from 'react';
import { api } from '../../data/client.ts';
import { Button } from '../../ui/button.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { Ago } from '../../ui/time.tsx';
import type { ToolItem } from './conversation-types.ts';
import { sessionRoute } from './session-queries.ts';

/** A call that waits for a decision. What is decided is shown when the log tells of it. */
export function Approval({ item }: { item: ToolItem }) {
  const { sessionId } = sessionRoute.useParams();
  const [reason, setReason] = useState('');
  const decide = useMutation({
    mutationFn: (decision: Decision) =>
      api.post('/v1/sessions/{id}/tool-approvals', {
        params: { path: { id: sessionId } },
        body: { decisions: [{ tool_call_id: item.callId, decision, ...(reason.trim() !== '' && { reason: reason.trim() }) }] },
      }),
  });
  const isBusy = decide.isPending || decide.isSuccess;
  const { approval } = item;
  return (
    <div role="group" aria-label={`Decision about ${item.name}`} className="flex flex-col gap-3 border-t border-line px-3 py-3">
      <p className="text-sm">
        {approval?.reason ?? 'This call waits for your decision.'}{' '}
        {approval !== undefined && (
          <span className="text-[13px] text-ink-faint">
            Refused by itself <Ago at={approval.expiresAt} />.
          </span>
        )}
      </p>
      <div className="flex flex-wrap items-center gap-2">
        <Button kind="primary" disabled={isBusy} onClick={() => decide.mutate('allow')}>
          Allow
        </Button>
        {approval?.isMemorable === true && (
          <Button disabled={isBusy} onClick={() => decide.mutate('allow_always')} title="For the rest of this session">
            Always allow
          </Button>
        )}
        <Button kind="danger" disabled={isBusy} onClick={() => decide.mutate('reject')}>
          Reject
        </Button>
        <input
          aria-label="Why, for the agent"
          placeholder="Why, for the agent (optional)"
          value={reason}
          maxLength={500}
          onChange={(event) => setReason(event.target.value)}
          className="h-9 min-w-40 grow rounded-lg border border-line-strong bg-surface px-3 text-sm"
        />
      </div>
      {decide.error !== null && <ErrorNote error={decide.error} />}
    </div>
  );
}
