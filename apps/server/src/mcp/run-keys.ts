import { fromPublicId, toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { findMcpRun, keepMcpRun } from '@everruns/storage';
import type { McpRunKey, Queryable } from '@everruns/storage';
import type { RunKey, RunKeys } from './tool.ts';

export function createRunKeys(db: Queryable): RunKeys {
  const keyOf = ({ organizationId, userId, clientMessageId }: RunKey): McpRunKey => ({
    orgId: fromPublicId('organization', organizationId) as Uuid,
    userId,
    clientMessageId,
  });
  return {
    async find(key) {
      const found = await findMcpRun(db, keyOf(key));
      return found === null ? null : toPublicId('session', found);
    },
    keep: async (key, sessionId) => toPublicId('session', await keepMcpRun(db, keyOf(key), fromPublicId('session', sessionId) as Uuid)),
  };
}
