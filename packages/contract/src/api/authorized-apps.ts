import { z } from 'zod';
import { Timestamp } from './common.ts';

/** A client of the MCP endpoint that a user has let in, as the user sees it. */
export const AuthorizedApp = z
  .object({
    id: z.string(),
    client_id: z.string(),
    name: z.string().describe('What the client says of itself'),
    redirect_uris: z.array(z.string()),
    created_at: Timestamp,
    last_used_at: Timestamp.optional().describe('When it last refreshed its access'),
    expires_at: Timestamp.describe('When it has to ask again, unless it is used before'),
  })
  .meta({ id: 'AuthorizedApp' });
export type AuthorizedApp = z.infer<typeof AuthorizedApp>;
