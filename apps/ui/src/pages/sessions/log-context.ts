import type { SessionEvent } from '@everruns/client';
import { createContext, use, useEffect, useState, useSyncExternalStore } from 'react';
import { api, everruns } from '../../data/client.ts';
import { SessionLog } from './session-log.ts';
import type { LogSource, Snapshot } from './session-log.ts';

const LogContext = createContext<SessionLog | null>(null);
export const LogProvider = LogContext.Provider;

export function useLog(): SessionLog {
  const log = use(LogContext);
  if (log === null) throw new Error('There is no session here.');
  return log;
}

/** A part of what is known of the session; drawn again only when this part is another object. */
export function useSnapshot<T>(select: (snapshot: Snapshot) => T): T {
  const log = useLog();
  return useSyncExternalStore(log.subscribe, () => select(log.snapshot()));
}

/** The log of a session, followed as long as the page is there. */
export function useSessionLog(sessionId: string): SessionLog {
  const [log] = useState(() => new SessionLog(sourceOf(sessionId), onFrame));
  useEffect(() => {
    const abort = new AbortController();
    void log.run(abort.signal);
    return () => abort.abort();
  }, [log]);
  return log;
}

const HIDDEN_FRAME_MS = 500;

/** With the next frame; a page that nobody sees has none. */
function onFrame(work: () => void): void {
  if (document.hidden) setTimeout(work, HIDDEN_FRAME_MS);
  else requestAnimationFrame(work);
}

function sourceOf(id: string): LogSource {
  return {
    async page(before, limit) {
      const query = { limit, ...(before !== null && { before_sequence: before }) };
      const { data } = await api.get('/v1/sessions/{id}/events', { params: { path: { id }, query } });
      return data as unknown as SessionEvent[];
    },
    follow: (after, options) => everruns.events(id, { after: after === 0 ? 'start' : after, ...options }),
  };
}
