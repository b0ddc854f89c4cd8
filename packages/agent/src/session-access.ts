import type { OpArgs, OpProblem, OpResult, SessionOp } from '@everruns/contract';

/**
 * What a running step may do with its session: its files, pairs, secrets and whatever else has ops. It knows neither organization nor session: the
 * control plane takes both from the step's lease.
 */
export interface SessionAccess {
  /** Throws a `SessionCallError` when it is not done. It may be done twice when a reply is lost, which every op stands. */
  call<O extends SessionOp>(op: O, args: OpArgs<O>): Promise<OpResult<O>>;
}

/** How ops travel: by name, as JSON. Rejects only when the step is over. */
export type CallSession = (op: string, args: unknown) => Promise<OpAnswer>;

export type OpAnswer = { value: unknown } | { problem: OpProblem };

/** The platform did not do it. The message is meant for the model, so a tool that does not catch this ends with it as its error. */
export class SessionCallError extends Error {
  override readonly name = 'SessionCallError';
  readonly code: string;
  readonly field: string | undefined;

  constructor({ code, message, field }: OpProblem) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

export function sessionAccess(callSession: CallSession): SessionAccess {
  return {
    async call<O extends SessionOp>(op: O, args: OpArgs<O>): Promise<OpResult<O>> {
      const answer = await callSession(op, args);
      if ('problem' in answer) throw new SessionCallError(answer.problem);
      return answer.value as OpResult<O>;
    },
  };
}
