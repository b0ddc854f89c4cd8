import type { Uuid } from '@everruns/contract';
import { decideCancel } from '@everruns/engine';
import type { Task } from '../base/task.ts';
import { openCalls } from '../statements/head.ts';
import type { Instance } from './instance.ts';
import { decideUnderHead } from './lease-ends.ts';
import { count } from './world.ts';

/** Ends the running turn. Repeated after a lost reply, it ends only the one that it meant. */
export function* cancelTurn(ctx: Instance, sessionId: Uuid, request: string): Task<void> {
  let meant: Uuid | null = null;
  const cancelled = yield* decideUnderHead(ctx, sessionId, function* (held) {
    const repeated = meant !== null && !ctx.world.faults.has('cancel_repeated_blindly');
    const workflow = yield* held.live(repeated && held.head.turnId !== meant ? null : held.head.turnId);
    if (workflow === null) return null;
    meant = workflow.id;
    const input = { reason: request, open: openCalls(workflow), note: 'The user asked to stop.' };
    return { workflow, plan: decideCancel(workflow.state, input, ctx.decideContext()), cause: 'cancelled', drop: 'all' };
  });
  if (cancelled) count(ctx.world, 'turn cancelled');
}
