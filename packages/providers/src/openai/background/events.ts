/** One event of a Responses stream, or the object of a response: read loosely, because only a few fields matter here. */
export type WireObject = Readonly<Record<string, unknown>>;

const TERMINAL_EVENTS = new Set(['response.completed', 'response.incomplete', 'response.failed', 'response.cancelled', 'error']);

export function isTerminalEvent(event: WireObject): boolean {
  return TERMINAL_EVENTS.has(String(event['type']));
}

/** A response that the provider is still working on. */
export function isRunning(response: WireObject): boolean {
  return response['status'] === 'queued' || response['status'] === 'in_progress';
}

export function sequenceOf(event: WireObject): number | undefined {
  const sequence = event['sequence_number'];
  return typeof sequence === 'number' ? sequence : undefined;
}

/** Id that the first event of a stream carries, or the response itself. */
export function responseIdOf(event: WireObject): string | undefined {
  const response = objectOf(event['response']) ?? event;
  return typeof response['id'] === 'string' ? response['id'] : undefined;
}

/** The events that a stream of this finished response would have had, each text in one piece. Pure. */
export function eventsOfResponse(response: WireObject): WireObject[] {
  const status = String(response['status']);
  const events = [
    { type: 'response.created', response },
    ...objectsOf(response['output']).flatMap(eventsOfItem),
    { type: status === 'incomplete' || status === 'failed' ? `response.${status}` : 'response.completed', response },
  ];
  return events.map((event, sequence) => ({ ...event, sequence_number: sequence }));
}

function eventsOfItem(item: WireObject, index: number): WireObject[] {
  const place = { item_id: item['id'], output_index: index };
  const added = { type: 'response.output_item.added', output_index: index, item };
  const done = { type: 'response.output_item.done', output_index: index, item };
  switch (item['type']) {
    case 'message':
      return [added, ...objectsOf(item['content']).flatMap((part) => eventsOfContent(part, place)), done];
    case 'reasoning':
      return [
        added,
        ...objectsOf(item['summary']).flatMap((part, summary) => eventsOfSummary(part, { ...place, summary_index: summary })),
        done,
      ];
    default:
      return [added, done];
  }
}

function eventsOfContent(part: WireObject, place: WireObject): WireObject[] {
  if (part['type'] === 'refusal') {
    const refusal = part['refusal'];
    return [
      { type: 'response.refusal.delta', ...place, delta: refusal },
      { type: 'response.refusal.done', ...place, refusal },
    ];
  }
  return part['type'] === 'output_text' ? [{ type: 'response.output_text.delta', ...place, delta: part['text'] }] : [];
}

function eventsOfSummary(part: WireObject, place: WireObject): WireObject[] {
  return [
    { type: 'response.reasoning_summary_part.added', ...place },
    { type: 'response.reasoning_summary_text.delta', ...place, delta: part['text'] },
    { type: 'response.reasoning_summary_part.done', ...place },
  ];
}

export function objectOf(value: unknown): WireObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as WireObject) : undefined;
}

function objectsOf(value: unknown): WireObject[] {
  return Array.isArray(value) ? value.map(objectOf).filter((entry) => entry !== undefined) : [];
}
