import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { CallerScope } from '../services/scope.ts';
import type { RecordAudit } from './audit.ts';
import type { Caller, Policy } from './caller.ts';

/** Our Fastify: request and reply types come from the zod schemas of the route. */
export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls, set before any handler of a `/v1` route runs that is not open. */
    caller: Caller;
    /** The caller in the chosen organization: there for every route whose policy is a permission. */
    scope: CallerScope;
    /** The caller in the organization that the path names, where the route is one of an organization itself. */
    chosenByPath: (caller: Caller) => Promise<Caller>;
    /** Why the caller changes something, as they said. */
    changeReason: string | null;
    /** `id` of the answer, for the audit log. */
    answeredId: string | null;
    isAudited: boolean;
    /** Writes an entry of the audit log beside, or instead of, the one that each change gets. */
    recordAudit: RecordAudit;
  }

  interface FastifyContextConfig {
    /** `entity`: strong ETag and 304. Everything else is `no-store`, unless the handler says otherwise. */
    cache?: 'entity';
    /** Renames what clients spell differently, before validation. */
    aliases?: (body: unknown) => unknown;
    /** `clear`: a null at the top of the body clears a field (PATCH); elsewhere null means "not given". */
    nulls?: 'clear';
    /** No credential is looked at. */
    open?: boolean;
    /** What it asks of its caller; every route that is not open has one. */
    policy?: Policy;
    /** `path`: the organization that the path names is the chosen one. */
    organization?: 'path';
    /** `event_log`: the session's own events tell of it; `nothing`: it changes nothing. Every other change is in the audit log. */
    audit?: 'event_log' | 'nothing';
  }
}
