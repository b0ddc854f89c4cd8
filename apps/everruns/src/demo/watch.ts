import { setTimeout as sleep } from 'node:timers/promises';
import type { ScreenEvent } from './screen.ts';

const RECONNECT_MS = 100;

/** A session's events from its first one on, live. A stream that breaks is resumed by the id of whatever came last. */
export async function* watchSession(api: string, sessionId: string, signal: AbortSignal): AsyncGenerator<ScreenEvent> {
  let cursor = 'after_sequence=0';
  while (!signal.aborted) {
    try {
      const answer = await fetch(`${api}/v1/sessions/${sessionId}/sse?${cursor}`, { signal });
      for await (const data of frames(answer.body ?? [])) {
        const event = JSON.parse(data) as ScreenEvent & { id?: string };
        if (event.id === undefined) continue; // connected, disconnecting
        cursor = `since_id=${event.id}`;
        yield event;
      }
    } catch {
      if (signal.aborted) return;
      await sleep(RECONNECT_MS);
    }
  }
}

async function* frames(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const data = /^data: ?(.*)$/m.exec(part)?.[1];
      if (data !== undefined) yield data;
    }
  }
}
