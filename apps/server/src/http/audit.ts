import { CHANGE_REASON_HEADER, fromPublicId, ID_PREFIXES, isUuid, parseChangeReason } from '@everruns/contract';
import type { IdKind, IdSource, Uuid } from '@everruns/contract';
import { insertAudit } from '@everruns/storage';
import type { AuditEntry, Queryable } from '@everruns/storage';
import type { FastifyRequest } from 'fastify';
import { pathOf } from './problems.ts';
import { addressOf } from './rate-limits.ts';
import type { Api } from './types.ts';

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What a route says of itself for the audit log; what it leaves out follows from the request. */
export interface AuditEvent {
  /** Name of the event, such as `auth.login.failure`; default the request's operation. */
  action?: string;
  domain?: string;
  orgId?: Uuid | null;
  /** Who did it, where that is not the caller: somebody who has just logged in. */
  actorUserId?: Uuid | null;
  credential?: AuditEntry['credential'];
  /** `id` as clients know it. */
  target?: { type: string; id: string } | null;
  /** Never a secret, an address of somebody, or what somebody wrote. */
  metadata?: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
}

/**
 * Writes an entry of the audit log now, for the request or for something else that it brought about; `tx` makes it part of a change. A request
 * that has told of itself without a name for the event gets no entry of its own any more.
 */
export type RecordAudit = (event: AuditEvent, tx?: Queryable) => Promise<void>;

export interface AuditDeps {
  db: Queryable;
  ids: Pick<IdSource, 'next'>;
  proxyHops: number;
}

/**
 * Every request that changed something is in the audit log before its caller hears that it did: an acknowledged change is always there.
 * Routes whose record is the session's own event log say so (`audit: 'event_log'`), and a POST that asks for `view` only reads.
 */
export function auditRequests(api: Api, { db, ids, proxyHops }: AuditDeps): void {
  api.decorateRequest('changeReason', null);
  api.decorateRequest('answeredId', null);
  api.decorateRequest('isAudited', false);
  api.decorateRequest('recordAudit', async function record(this: FastifyRequest, event, tx = db) {
    if (event.action === undefined) this.isAudited = true;
    await insertAudit(tx, ids.next(), entryOf(this, event, addressOf(this, proxyHops)));
  });
  api.addHook('preValidation', async (request) => {
    if (READS.has(request.method)) return;
    request.changeReason = parseChangeReason([request.headers[CHANGE_REASON_HEADER] ?? []].flat()[0]);
  });
  api.addHook('preSerialization', async (request, _reply, payload) => {
    const { id } = (payload ?? {}) as { id?: unknown };
    if (typeof id === 'string') request.answeredId = id;
    return payload;
  });
  api.addHook('onSend', async (request, reply, payload) => {
    if (reply.statusCode < 400 && changesSomething(request) && !request.isAudited) await request.recordAudit({});
    return payload;
  });
}

/** A reason that somebody gave is kept, whoever else records the change. */
function changesSomething({ method, routeOptions, changeReason }: FastifyRequest): boolean {
  const { audit, policy } = routeOptions.config;
  if (READS.has(method) || audit === 'nothing' || (method === 'POST' && policy?.endsWith(':view') === true)) return false;
  return audit !== 'event_log' || changeReason !== null;
}

function entryOf(request: FastifyRequest, event: AuditEvent, ip: string): AuditEntry {
  // Routes that are open have no caller.
  const caller = request.caller as FastifyRequest['caller'] | undefined;
  const scope = request.scope as FastifyRequest['scope'] | undefined;
  const { target, within } = targetOf(request);
  const named = event.target === undefined ? target : event.target;
  const ofTarget = named?.type === 'organization' ? fromPublicId('organization', named.id) : null;
  return {
    orgId: event.orgId === undefined ? (ofTarget ?? scope?.orgId ?? null) : event.orgId,
    actorUserId: event.actorUserId === undefined ? (caller?.userId ?? null) : event.actorUserId,
    credential: event.credential === undefined ? credentialOf(caller) : event.credential,
    domain: event.domain ?? domainOf(request),
    action: event.action ?? operationOf(request),
    target: named,
    reason: request.changeReason,
    ip,
    requestId: request.id,
    metadata: { ...(within !== null && event.target === undefined && { within }), ...event.metadata },
  };
}

function credentialOf(caller: FastifyRequest['caller'] | undefined): AuditEntry['credential'] {
  return caller === undefined ? null : { kind: caller.credential.kind, id: caller.credential.id };
}

function operationOf({ routeOptions: { schema, method, url } }: FastifyRequest): string {
  const { operationId } = (schema ?? {}) as { operationId?: string };
  return operationId ?? `${[method].flat().join('|')} ${url ?? ''}`;
}

function domainOf({ routeOptions: { config } }: FastifyRequest): string {
  const { policy } = config;
  if (policy === undefined) return 'auth';
  if (policy === 'user') return 'account';
  return policy === 'platform' ? 'platform' : (policy.split(':')[1] as string);
}

const KIND_OF: ReadonlyMap<string, IdKind> = new Map(Object.entries(ID_PREFIXES).map(([kind, prefix]) => [prefix, kind as IdKind]));

interface Target {
  target: { type: string; id: string } | null;
  /** What the path names, when the answer told of something that was made in it, or from it. */
  within: string | null;
}

/** What was made when the answer tells its id with 201 or the path names nothing, else the last thing in the path that has an id. */
function targetOf(request: FastifyRequest): Target {
  const segments = pathOf(request.url).split('/').filter(Boolean);
  const at = segments.findLastIndex((segment) => isUuid(segment) || kindOf(segment) !== null);
  const named = at < 0 ? null : segments[at]!;
  const collection = (before: number): string => (segments[before] ?? '').replace(/s$/, '').replaceAll('-', '_');
  if (request.answeredId !== null && (named === null || request.raw.method === 'POST')) {
    const id = request.answeredId;
    if (id !== named) return { target: { type: kindOf(id) ?? collection(segments.length - 1), id }, within: named };
  }
  return { target: named === null ? null : { type: kindOf(named) ?? collection(at - 1), id: named }, within: null };
}

function kindOf(segment: string): IdKind | null {
  const kind = KIND_OF.get(segment.slice(0, Math.max(0, segment.lastIndexOf('_'))));
  return kind !== undefined && fromPublicId(kind, segment) !== null ? kind : null;
}
