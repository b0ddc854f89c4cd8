import { PlatformError } from '@everruns/contract';
import type { OpProblem } from '@everruns/contract';
import { LeaseLostError } from '@everruns/storage';
import type { CallReply, CallRequest } from '@everruns/contract/generated/worker';
import type { LeaseScope, SessionOps } from './scope.ts';

export interface AnswerDeps {
  ops: SessionOps;
  /** Does it again while the database is away. */
  repeat<T>(work: () => Promise<T>): Promise<T>;
  onFault(error: unknown): void;
}

const LOST: OpProblem = { code: 'lease_lost', message: 'The call is over.' };

/** The reply to a worker's call. Never rejects: what is not done is said, in words that a model may read. */
export async function answerCall(request: CallRequest, scope: LeaseScope | null, deps: AnswerDeps): Promise<CallReply> {
  if (scope === null) return refusal(LOST);
  try {
    const args = JSON.parse(request.args.toString('utf8')) as unknown;
    const value = await deps.repeat(() => deps.ops(scope, request.op, args));
    return { kind: { $case: 'value', value: Buffer.from(JSON.stringify(value ?? null)) } };
  } catch (error) {
    if (error instanceof PlatformError) {
      return refusal({ code: error.code, message: error.message, ...(error.field === undefined ? {} : { field: error.field }) });
    }
    if (error instanceof LeaseLostError) return refusal(LOST);
    deps.onFault(error);
    return refusal({ code: 'internal', message: 'The platform could not do this.' });
  }
}

function refusal({ code, message, field = '' }: OpProblem): CallReply {
  return { kind: { $case: 'problem', value: { code, message, field } } };
}
