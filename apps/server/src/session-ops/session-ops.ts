import { isSessionOp, PlatformError, SESSION_OPS } from '@everruns/contract';
import type { OpArgs, OpResult, SessionOp } from '@everruns/contract';
import type { z } from 'zod';
import type { LeaseScope, SessionOps } from './scope.ts';

/** What does each op of an area. */
export type OpHandlers<O extends SessionOp = SessionOp> = {
  readonly [Op in O]: (scope: LeaseScope, args: OpArgs<Op>) => Promise<OpResult<Op>>;
};

/** One function over all areas: checks the arguments, then calls the handler. */
export function createSessionOps(handlers: OpHandlers): SessionOps {
  return (scope, name, args) => {
    if (!isSessionOp(name)) throw new PlatformError('not_in_this_version', `There is no op "${name}" in this version.`);
    return run(handlers, scope, name, args);
  };
}

async function run<O extends SessionOp>(handlers: OpHandlers, scope: LeaseScope, op: O, args: unknown): Promise<unknown> {
  const parsed = SESSION_OPS[op].args.safeParse(args);
  if (!parsed.success) throw invalid(parsed.error);
  return handlers[op](scope, parsed.data as OpArgs<O>);
}

function invalid(error: z.ZodError): PlatformError {
  const [issue] = error.issues;
  const field = issue?.path.join('.') ?? '';
  const text = issue?.message ?? 'not valid';
  return new PlatformError('invalid_request', field === '' ? text : `${field} ${text}`, { field });
}
