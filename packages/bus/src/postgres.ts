import { POOLS, dashed } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import type { HintTransport } from './bus.ts';
import type { Hint } from './hint.ts';

/** NOTIFY and LISTEN on a connection of their own, as storage implements them. */
export interface HintChannel {
  /** At most 7,999 bytes. Rejects when the notification may not have been sent. */
  notify(payload: string): Promise<void>;
  listen(listener: (payload: string) => void): () => void;
  /** Called whenever the channel listens, the first time too. */
  onOpened(listener: () => void): () => void;
  /** Makes sure that the connection is alive; opens a new one if it is not. */
  probe(): void;
  close(): Promise<void>;
}

export function postgresTransport(channel: HintChannel): HintTransport {
  return {
    send: (hint) => channel.notify(encodeHint(hint)),
    onHint: (listener) =>
      channel.listen((payload) => {
        const hint = decodeHint(payload);
        if (hint !== null) listener(hint);
      }),
    onOpened: (listener) => channel.onOpened(listener),
    probe: () => channel.probe(),
    close: () => channel.close(),
  };
}

interface WireHint {
  i: string;
  n: number;
  s?: string[];
  p?: string[];
  /** Tokens of cancelled leases. */
  c?: string[];
  /** Keys of breakers that opened. */
  o?: string[];
  /** Text: last row, sessions, 1 when more follows. */
  t?: [number, string[], 0 | 1];
}

/** The hint as short JSON: ids in base64url, because a notification has less than 8,000 bytes. */
export function encodeHint(hint: Hint): string {
  const wire: WireHint = { i: shortId(hint.instanceId), n: hint.n };
  if (hint.sessions.length > 0) wire.s = hint.sessions.map(shortId);
  if (hint.pools.length > 0) wire.p = [...hint.pools];
  if (hint.cancelled.length > 0) wire.c = hint.cancelled.map(shortId);
  if (hint.opened.length > 0) wire.o = [...hint.opened];
  if (hint.text !== null) wire.t = [hint.text.through, hint.text.sessions.map(shortId), hint.text.partial ? 1 : 0];
  return JSON.stringify(wire);
}

/** Null for a payload that is not ours: anybody with access to the database can notify. */
export function decodeHint(payload: string): Hint | null {
  let wire: Partial<Record<keyof WireHint, unknown>> | null;
  try {
    wire = JSON.parse(payload) as typeof wire;
  } catch {
    return null; // not JSON
  }
  if (typeof wire !== 'object' || wire === null || typeof wire.i !== 'string' || !Number.isSafeInteger(wire.n)) return null;
  const [through, sessions, partial] = Array.isArray(wire.t) ? (wire.t as unknown[]) : [];
  return {
    instanceId: longId(wire.i),
    n: wire.n as number,
    sessions: strings(wire.s).map(longId),
    pools: strings(wire.p).filter((pool): pool is Pool => POOLS.includes(pool as Pool)),
    cancelled: strings(wire.c).map(longId),
    opened: strings(wire.o),
    text: typeof through === 'number' ? { through, sessions: strings(sessions).map(longId), partial: partial === 1 } : null,
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
}

function shortId(id: Uuid): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

function longId(short: string): Uuid {
  return dashed(Buffer.from(short, 'base64url').toString('hex'));
}
