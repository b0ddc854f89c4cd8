import type { Uuid } from '@everruns/contract';
import { PlatformError } from '@everruns/contract';
import { closedOrganizations, purgeOrganization, sessionsOfClosed } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { Log } from '../turns/context.ts';
import type { Scope } from '../turns/port.ts';

const LOOK_MS = 600_000;
const BATCH = 100;

export interface ClosedOrganizationsDeps {
  db: Database;
  /** Ends what runs in it, too. */
  deleteSession: (scope: Scope, sessionId: Uuid) => Promise<void>;
}

/**
 * Deletes the sessions of organizations that nobody is left in, and then all the rest of them. Between the two the sessions' logs have to go, which
 * happens in batches; several instances may be at it at once.
 */
export async function purgeClosed({ db, deleteSession }: ClosedOrganizationsDeps): Promise<void> {
  for (const orgId of await closedOrganizations(db)) {
    for (let open = await sessionsOfClosed(db, orgId, BATCH); open.length > 0; open = await sessionsOfClosed(db, orgId, BATCH)) {
      for (const sessionId of open) await deleteSession({ orgId }, sessionId).catch(unlessGone);
    }
    await purgeOrganization(db, orgId);
  }
}

/** Another instance was faster. */
function unlessGone(error: unknown): void {
  if (!(error instanceof PlatformError && error.code === 'not_found')) throw error;
}

/** Looks at once when an organization has been closed, and every ten minutes for what is left. */
export function startPurges(deps: ClosedOrganizationsDeps, log: Pick<Log, 'warn'>): { poke(): void; stop(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  const look = (): void => {
    running = running
      .then(() => (stopped ? undefined : purgeClosed(deps)))
      .catch((error: unknown) => log.warn({ err: error }, 'closed organizations not purged'));
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return {
    poke: look,
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
