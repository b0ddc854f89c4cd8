import type { DurableEvent } from '@everruns/contract';
import type { Tally } from './check.ts';
import type { RunRecord, StreamedEvent } from './record.ts';

type Frame = Extract<StreamedEvent, { kind: 'event' }>;

/** What a client of the stream was shown: every durable event once and in order, and no character of a message twice. */
export function checkStream({ log, stream }: RunRecord, tally: Tally): void {
  const seen = stream.filter((entry): entry is Frame => entry.kind === 'event' && entry.sequence !== undefined);
  let last = 0;
  for (const { sequence } of seen) {
    if (sequence === last || seen.filter((other) => other.sequence === sequence).length > 1)
      tally.twice('stream', `event ${sequence} came twice`);
    else if (sequence !== undefined && sequence < last) tally.add('stream', `event ${sequence} came after ${last}`);
    last = Math.max(last, sequence ?? 0);
  }
  const sequences = new Set(seen.map((entry) => entry.sequence));
  const first = seen[0]?.sequence ?? 1;
  for (const event of log.filter((entry) => entry.sequence >= first && !sequences.has(entry.sequence))) {
    tally.missing('stream', `event ${event.sequence} (${event.type}) never came`);
  }
  checkDelay(log, seen, tally);
  checkTexts(stream, tally);
}

/** No loss of anything may keep an event from its stream for longer than it takes to give a silent instance up: 8 s, and what a busy machine adds. */
const LATE_MS = 10_000;

function checkDelay(log: DurableEvent[], seen: Frame[], tally: Tally): void {
  const committedMs = new Map(log.map((event) => [event.sequence, Date.parse(event.ts)]));
  const delays = seen.map(({ sequence, receivedMs, type }) => ({
    sequence,
    type,
    delayMs: receivedMs - (committedMs.get(sequence ?? 0) ?? receivedMs),
  }));
  const latest = delays.reduce((worst, next) => (next.delayMs > worst.delayMs ? next : worst), { sequence: 0, type: '', delayMs: 0 });
  if (latest.delayMs > LATE_MS)
    tally.add('stream', `event ${latest.sequence} (${latest.type}) came ${latest.delayMs} ms after it was committed`);
}

interface OpenText {
  text: string;
  turnId: string | undefined;
  /** The connection broke while the message was open: its completed event has what did not come. */
  broken: boolean;
  /** It was resumed from an event that knows no place in the text, so it may come again from its beginning. */
  placeLost: boolean;
  /** Its step is over: all of the text was told before, and nothing of it may come again. */
  written: boolean;
}

/** The text of a message as an application puts it together: append each delta, start anew when the step was started anew. */
function checkTexts(stream: StreamedEvent[], tally: Tally): void {
  const open = new Map<string, OpenText>();
  let last: Frame | null = null;
  for (const entry of stream) {
    if (entry.kind === 'reconnected') {
      for (const message of open.values()) {
        message.broken = true;
        message.placeLost = last?.sequence !== undefined && !message.written;
      }
      continue;
    }
    last = entry;
    if (entry.type === 'output.message.delta') append(open, entry);
    else if (entry.type === 'llm.generation') close(open, entry);
    else if (entry.type === 'reason.recovered') forgetTurn(open, entry.data['turn_id']);
    else if (entry.type === 'output.message.completed') compare(open, entry, tally);
  }
}

function forgetTurn(open: Map<string, OpenText>, turnId: unknown): void {
  for (const [id, message] of open) if (message.turnId === turnId) open.delete(id);
}

function close(open: Map<string, OpenText>, { context }: Frame): void {
  for (const message of open.values()) if (message.turnId === context.turn_id) message.written = true;
}

function append(open: Map<string, OpenText>, { data }: Frame): void {
  const id = String(data['message_id']);
  const before = open.get(id) ?? {
    text: '',
    turnId: data['turn_id'] as string | undefined,
    broken: false,
    placeLost: false,
    written: false,
  };
  const text = before.placeLost && data['offset'] === 0 ? '' : before.text;
  open.set(id, { ...before, text: text + String(data['delta']), placeLost: false });
}

/** Deltas that stop early are no loss when the connection broke: the completed message has the rest. A character twice always is wrong. */
function compare(open: Map<string, OpenText>, { data }: Frame, tally: Tally): void {
  const message = data['message'] as { id: string; content: { type: string; text?: string }[] };
  const shown = open.get(message.id);
  if (shown === undefined) return;
  open.delete(message.id);
  const text = message.content.map((part) => (part.type === 'text' ? (part.text ?? '') : '')).join('');
  if (shown.text === text || (shown.broken && text.startsWith(shown.text))) return;
  const what = `the deltas of ${message.id} give ${JSON.stringify(shown.text)} for ${JSON.stringify(text)}`;
  if (text.startsWith(shown.text)) tally.missing('stream', what);
  else tally.twice('stream', what);
}
