import { PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { providersDueForSync } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { Log } from '../turns/context.ts';
import type { CatalogueService } from './catalogues.ts';

export interface ModelSyncDeps {
  db: Database;
  catalogues: Pick<CatalogueService, 'syncOf'>;
  log: Log;
  /** Hours between two synchronisations of one provider; 0 = never by itself. */
  everyHours: number;
  /** Monotonic. */
  nowMs?: () => number;
}

export interface ModelSync {
  /** Synchronises what is due, one after the other. */
  round(): Promise<void>;
  stop(): Promise<void>;
}

const HOUR_MS = 3_600_000;
/** How often is looked for providers that are due. */
const LOOK_MS = HOUR_MS / 2;
const BATCH = 20;

/**
 * Keeps the models of vendors up to date. It runs on every instance: who comes second finds the provider synchronised, and doing it twice
 * does no harm. One that fails is left alone by this instance until it would be due again.
 */
export function startModelSync({ db, catalogues, log, everyHours, nowMs = () => performance.now() }: ModelSyncDeps): ModelSync {
  const triedMs = new Map<Uuid, number>();
  let running = Promise.resolve();
  let stopped = false;
  const isDue = (id: Uuid): boolean => nowMs() - (triedMs.get(id) ?? -Infinity) >= everyHours * HOUR_MS;
  const syncOne = async ({ id, orgId }: { id: Uuid; orgId: Uuid }): Promise<void> => {
    triedMs.set(id, nowMs());
    try {
      await catalogues.syncOf(orgId, id);
    } catch (error) {
      const expected = error instanceof PlatformError;
      log.warn(expected ? { provider: id, code: error.code } : { provider: id, err: error }, 'models not synchronised');
    }
  };
  const round = async (): Promise<void> => {
    const due = await providersDueForSync(db, { everyHours, limit: BATCH });
    for (const provider of due) {
      if (!stopped && isDue(provider.id)) await syncOne(provider);
    }
  };
  const look = (): void => {
    running = running.then(round).catch((error: unknown) => log.warn({ err: error }, 'models not synchronised'));
  };
  const timer = everyHours === 0 ? undefined : setInterval(look, LOOK_MS).unref();
  return {
    round,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await Promise.resolve();
    },
  };
}
