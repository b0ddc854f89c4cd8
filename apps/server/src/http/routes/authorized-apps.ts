import { AuthorizedApp, listOf, PlatformError } from '@everruns/contract';
import { listAuthorizedApps, revokeAuthorizedApp } from '@everruns/storage';
import type { AuthorizedAppRow, Queryable } from '@everruns/storage';
import { z } from 'zod';
import { iso } from '../../services/present/fields.ts';
import type { Api } from '../types.ts';
import { NoContent } from './params.ts';

const tags = ['Auth'];
const byId = z.object({ id: z.uuid().transform((id) => id.toLowerCase()) });

/** Clients that the caller has let in to the MCP endpoint. */
export function authorizedAppRoutes(app: Api, db: Queryable): void {
  app.get(
    '/v1/auth/authorized-apps',
    { schema: { tags, operationId: 'listAuthorizedApps', response: { 200: listOf(AuthorizedApp) } } },
    async ({ caller }) => ({ data: (await listAuthorizedApps(db, caller.userId)).map(presentApp) }),
  );
  app.delete(
    '/v1/auth/authorized-apps/:id',
    {
      schema: {
        tags,
        operationId: 'revokeAuthorizedApp',
        description: 'Its tokens end at once. It may ask again.',
        params: byId,
        response: { 204: NoContent },
      },
    },
    async ({ caller, params }, reply) => {
      const revoked = await revokeAuthorizedApp(db, caller.userId, params.id);
      if (revoked === null) throw new PlatformError('not_found', 'There is no such application.');
      return reply.code(204).send();
    },
  );
}

function presentApp(row: AuthorizedAppRow): AuthorizedApp {
  return {
    id: row.id,
    client_id: row.client_id,
    name: row.client_name ?? row.client_id,
    redirect_uris: row.redirect_uris,
    created_at: iso(row.created_at),
    ...(row.last_used_at === null ? {} : { last_used_at: iso(row.last_used_at) }),
    expires_at: iso(row.expires_at),
  };
}
