import type { SessionEvent } from '@everruns/client';
import type { Usage } from './conversation-types.ts';

export interface TimelineRow {
  key: string;
  kind: 'model' | 'tool' | 'wait' | 'other';
  label: string;
  /** Milliseconds since the epoch. */
  startMs: number;
  /** Null: it goes on. */
  endMs: number | null;
  state: 'running' | 'done' | 'failed' | 'lost' | 'cancelled';
  attempt: number;
  usage?: Usage;
  firstTokenMs?: number;
  /** What it was about, in a line. */
  detail?: string;
  /** The events that told of it. */
  events: readonly SessionEvent[];
}

export interface TurnTimeline {
  turnId: string;
  label: string;
  status: 'running' | 'completed' | 'failed' | 'cancelled' | 'sealed';
  startMs: number;
  endMs: number | null;
  usage?: Usage;
  rows: readonly TimelineRow[];
}

type Row = { -readonly [K in keyof TimelineRow]: TimelineRow[K] };

/** What each turn did and when, out of its events in their order. Turns whose beginning is not among the events begin with their first one. */
export function timelineOf(events: readonly SessionEvent[]): TurnTimeline[] {
  const turns = new Map<string, TurnBuilder>();
  for (const event of events) {
    const turnId = event.context.turn_id;
    if (turnId === undefined) continue;
    let turn = turns.get(turnId);
    if (turn === undefined) turns.set(turnId, (turn = new TurnBuilder(turnId, event)));
    turn.take(event);
  }
  return [...turns.values()].map((turn) => turn.done());
}

class TurnBuilder {
  readonly #turnId: string;
  readonly #startMs: number;
  readonly #rows: Row[] = [];
  /** What is under way, by what its end will name. */
  readonly #open = new Map<string, Row>();
  #label = '';
  #status: TurnTimeline['status'] = 'running';
  #endMs: number | null = null;
  #usage: Usage | undefined;

  constructor(turnId: string, first: SessionEvent) {
    this.#turnId = turnId;
    this.#startMs = Date.parse(first.ts);
  }

  take(event: SessionEvent): void {
    this.#model(event);
    this.#tool(event);
    this.#wait(event);
    this.#turn(event);
  }

  #model(event: SessionEvent): void {
    if (event.type === 'reason.started') {
      const { iteration, attempt, metadata } = event.data;
      this.#end('model', event, 'lost');
      this.#begin('model', event, { kind: 'model', label: `Model call ${iteration}`, attempt });
      if (metadata?.model !== undefined) this.#change('model', { detail: metadata.model });
    }
    if (event.type === 'reason.completed') {
      const { success, usage, time_to_first_token_ms: firstTokenMs, response_model: model, error } = event.data;
      const detail = error ?? model;
      this.#change('model', {
        ...(usage !== undefined && { usage }),
        ...(firstTokenMs !== undefined && { firstTokenMs }),
        ...(detail !== undefined && { detail }),
      });
      this.#end('model', event, success ? 'done' : 'failed');
    }
    if (event.type === 'reason.recovered') {
      this.#end('model', event, 'lost');
      this.#begin('recovered', event, { kind: 'other', label: 'The step began again' });
      this.#end('recovered', event, 'lost');
    }
    if (event.type === 'context.compacting') this.#begin('compaction', event, { kind: 'other', label: 'Prompt made shorter' });
    if (event.type === 'context.compacted') this.#end('compaction', event, 'done');
    if (event.type === 'context.compaction.failed') this.#end('compaction', event, 'failed');
  }

  #tool(event: SessionEvent): void {
    if (event.type === 'tool.started') {
      const { tool_call: call, attempt = 1, narration } = event.data;
      this.#end(`call ${call.id}`, event, 'lost');
      this.#begin(`call ${call.id}`, event, {
        kind: 'tool',
        label: call.name,
        attempt,
        ...(narration !== undefined && { detail: narration }),
      });
    }
    if (event.type !== 'tool.completed') return;
    const { tool_call_id: callId, status, error, narration } = event.data;
    const detail = error ?? narration;
    if (detail !== undefined) this.#change(`call ${callId}`, { detail });
    this.#end(`call ${callId}`, event, status === 'success' ? 'done' : status === 'cancelled' ? 'cancelled' : 'failed');
    this.#end(`wait ${callId}`, event, 'done');
  }

  #wait(event: SessionEvent): void {
    if (event.type === 'tool.approval_requested' || event.type === 'tool.call_requested') {
      const what = event.type === 'tool.approval_requested' ? 'Waits for a decision' : 'Waits for a client';
      for (const call of event.data.tool_calls) this.#begin(`wait ${call.id}`, event, { kind: 'wait', label: what, detail: call.name });
    }
    if (event.type === 'tool.approval_resolved') {
      this.#end(`wait ${event.data.tool_call_id}`, event, event.data.outcome === 'approved' ? 'done' : 'failed');
    }
    if (event.type === 'budget.paused' || event.type === 'budget.exhausted') {
      if (!this.#open.has('budget')) this.#begin('budget', event, { kind: 'wait', label: 'Waits for a budget' });
    }
    if (event.type === 'budget.resumed') this.#end('budget', event, 'done');
  }

  #turn(event: SessionEvent): void {
    if (event.type === 'input.message' && this.#label === '') this.#label = textOf(event.data.message.content);
    const isEnd = event.type.startsWith('turn.') && event.type !== 'turn.started';
    if (!isEnd) return;
    this.#status = event.type.slice('turn.'.length) as TurnTimeline['status'];
    this.#endMs = Date.parse(event.ts);
    if ('usage' in event.data) this.#usage = event.data.usage;
    for (const key of this.#open.keys()) this.#end(key, event, 'cancelled');
  }

  #begin(key: string, event: SessionEvent, row: Pick<Row, 'kind' | 'label'> & Partial<Row>): void {
    const begun: Row = {
      key: event.id + key,
      startMs: Date.parse(event.ts),
      endMs: null,
      state: 'running',
      attempt: 1,
      events: [event],
      ...row,
    };
    this.#rows.push(begun);
    this.#open.set(key, begun);
  }

  #change(key: string, change: Partial<Row>): void {
    const row = this.#open.get(key);
    if (row !== undefined) Object.assign(row, change);
  }

  #end(key: string, event: SessionEvent, state: Row['state']): void {
    const row = this.#open.get(key);
    if (row === undefined) return;
    this.#open.delete(key);
    const told = row.events.includes(event) ? row.events : [...row.events, event];
    Object.assign(row, { endMs: Date.parse(event.ts), state, events: told });
  }

  done(): TurnTimeline {
    return {
      turnId: this.#turnId,
      label: this.#label,
      status: this.#status,
      startMs: this.#startMs,
      endMs: this.#endMs,
      ...(this.#usage !== undefined && { usage: this.#usage }),
      rows: this.#rows,
    };
  }
}

function textOf(content: readonly { type: string }[]): string {
  return content.flatMap((part) => (part.type === 'text' ? [(part as { text?: string }).text ?? ''] : [])).join(' ');
}

/** Where a bar stands in its turn, in percent. Nothing is too short to be seen. */
export function barOf(row: TimelineRow, turn: TurnTimeline, nowMs: number): { left: number; width: number } {
  const wholeMs = Math.max(1, (turn.endMs ?? nowMs) - turn.startMs);
  const left = clamp(((row.startMs - turn.startMs) / wholeMs) * 100, 0, 99.5);
  const width = (((row.endMs ?? nowMs) - row.startMs) / wholeMs) * 100;
  return { left, width: clamp(width, 0.5, 100 - left) };
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
