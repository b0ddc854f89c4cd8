/** Why a request was not made, or not finished, by a decision of ours. */
export type OutboundCode = 'ERR_OUTBOUND_REFUSED' | 'ERR_OUTBOUND_REDIRECT' | 'ERR_OUTBOUND_TIMEOUT' | 'ERR_OUTBOUND_TOO_LARGE';

/** Its message may be shown to a model and to people: it names hosts, never credentials, and no address that a name led to. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
  readonly code: OutboundCode;

  constructor(code: OutboundCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function refused(message: string): OutboundError {
  return new OutboundError('ERR_OUTBOUND_REFUSED', message);
}

/** The first decision of ours among an error and its causes: `fetch` wraps what a connection ends with. */
export function outboundErrorOf(error: unknown): OutboundError | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    if (current instanceof OutboundError) return current;
    if (current instanceof AggregateError) {
      const inner = current.errors.find((each) => each instanceof OutboundError) as OutboundError | undefined;
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}
