import type { CatalogueOutcome, Uuid } from '@everruns/contract';
import { FINAL_STATUSES, isCatalogue, startCatalogue } from '@everruns/engine';
import { findCatalogue, forgetCatalogue, startCatalogueWorkflow } from '@everruns/storage';
import { setTimeout as sleep } from 'node:timers/promises';
import { repeat, wake } from './context.ts';
import type { EngineContext } from './context.ts';

/** Between two looks at a catalogue that somebody waits for; most are there within the first few. */
const FIRST_LOOK_MS = 20;
const LOOK_MS = 250;

/** Has a worker ask a provider for its models. */
export interface CatalogueAsker {
  /**
   * `seal` gets the id under which the provider and its key are sealed for the queue. Settles with what the provider said, or that nobody
   * could ask it; null when the time is up.
   */
  ask(orgId: Uuid, seal: (workflowId: Uuid) => Promise<unknown>, timeoutMs: number): Promise<CatalogueOutcome | null>;
}

export function createCatalogueAsker(ctx: EngineContext): CatalogueAsker {
  return {
    async ask(orgId, seal, timeoutMs) {
      const id = ctx.ids.next();
      const start = startCatalogue(id, await seal(id), { ids: ctx.ids, nowMs: ctx.nowMs() });
      await startCatalogueWorkflow(ctx.db, { id, orgId, version: ctx.newTurnVersion(), ...start });
      wake(ctx, ['tool']);
      return await answered(ctx, { orgId, id, timeoutMs });
    },
  };
}

async function answered(ctx: EngineContext, at: { orgId: Uuid; id: Uuid; timeoutMs: number }): Promise<CatalogueOutcome | null> {
  const untilMs = performance.now() + at.timeoutMs;
  for (let waitMs = FIRST_LOOK_MS; performance.now() < untilMs; waitMs = Math.min(LOOK_MS, waitMs * 1.5)) {
    await sleep(waitMs, undefined, { signal: ctx.signal });
    const workflow = await repeat(ctx, () => findCatalogue(ctx.db, at.orgId, at.id));
    if (workflow === null) return null;
    if (!FINAL_STATUSES.has(workflow.status)) continue;
    await repeat(ctx, () => forgetCatalogue(ctx.db, at.id));
    return isCatalogue(workflow.state) ? workflow.state.catalogue.result : null;
  }
  return null;
}
