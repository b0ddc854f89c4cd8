import { PlatformError, toPublicId } from '@everruns/contract';
import type { ForkSession, IdSource, Session, Uuid } from '@everruns/contract';
import { findSession, forkSession } from '@everruns/storage';
import type { Database, ForkVerdict, SessionFields, SessionRow, Vault } from '@everruns/storage';
import { keeping } from './capability-rules.ts';
import type { CapabilityRules } from './capability-rules.ts';
import { sessionLayer } from './layers.ts';
import type { CallerScope } from './scope.ts';
import { sealedServers } from './scoped-mcp-servers.ts';
import { sessionNotFound, sessionParts } from './sessions.ts';
import type { SessionService } from './sessions.ts';

export interface ForkServiceDeps {
  db: Database;
  ids: IdSource;
  rules: CapabilityRules;
  vault: Vault;
  sessions: Pick<SessionService, 'get'>;
  /** Most sessions of an organization; 0 = no limit. */
  limit: number;
  /** Throws `rate_limited` when one more now would be too fast. */
  admit: (orgId: Uuid) => Promise<void>;
}

export interface ForkService {
  /** Throws `wrong_state` while a turn of the source runs or waits. */
  fork(scope: CallerScope, sourceId: Uuid, request: ForkSession): Promise<Session>;
}

const TITLE_CHARS = 2_048;

export function createForkService({ db, ids, rules, vault, sessions, limit, admit }: ForkServiceDeps): ForkService {
  return {
    async fork(scope, sourceId, request) {
      const source = await findSession(db, { ...scope, id: sourceId });
      if (source === null) throw sessionNotFound();
      const asked = {
        harness_id: source.harness_id,
        agent_id: request.agent_id ?? source.agent_id,
        model_id: request.model_id ?? null,
        ...(request.capabilities && { capabilities: request.capabilities }),
        ...(request.tools && { tools: request.tools }),
      };
      const { fields: checked, parts } = await sessionParts({ db, rules: keeping(rules, source.capabilities) }, scope, asked, () =>
        ids.next(),
      );
      const sealing = { vault, orgId: scope.orgId, stored: source.mcp_servers };
      const mcp_servers = { ...source.mcp_servers, ...(await sealedServers(request.mcpServers ?? null, sealing)) };
      const fields = { ...forkedFields(source, request, checked), ...(request.mcpServers != null && { mcp_servers }) };
      const id = ids.next();
      const locale = fields.locale === null ? {} : { locale: fields.locale };
      await rules.effective(scope, [...parts.layers, sessionLayer(fields, id)], { sessionId: toPublicId('session', id), ...locale });
      await admit(scope.orgId);
      const verdict = await forkSession(db, {
        orgId: scope.orgId,
        sourceId,
        id,
        fields,
        throughMessage: request.up_to_message_id ?? null,
        limit,
        reseal: async (sealed, from, to) => vault.seal(to, await vault.open(from, sealed)),
      });
      refuse(verdict, limit);
      return sessions.get(scope, id);
    },
  };
}

/** `checked` has what the request adds, looked up; the rest is as in the source. */
function forkedFields(source: SessionRow, request: ForkSession, checked: SessionFields): SessionFields {
  return {
    ...checked,
    title: request.title ?? `${(source.title ?? 'Untitled').slice(0, TITLE_CHARS - 7)} (fork)`,
    goal: source.goal,
    system_prompt: request.system_prompt ?? source.system_prompt,
    locale: request.locale ?? source.locale,
    timezone: source.timezone,
    model_id: request.model_id ?? source.model_id,
    capabilities: merged(source.capabilities, checked.capabilities, ({ ref }) => ref),
    tools: merged(source.tools, checked.tools, ({ name }) => name),
    initial_files: source.initial_files,
    mcp_servers: source.mcp_servers,
    tags: request.tags ?? source.tags,
    hints: source.hints,
    max_iterations: source.max_iterations,
    parallel_tool_calls: source.parallel_tool_calls,
    network_access: source.network_access,
  };
}

/** In the order of the first list; what is in both is taken from the second. */
function merged<T>(first: readonly T[], second: readonly T[], keyOf: (entry: T) => string): T[] {
  return [...new Map([...first, ...second].map((entry) => [keyOf(entry), entry])).values()];
}

function refuse(verdict: ForkVerdict, limit: number): void {
  switch (verdict) {
    case 'ok':
      return;
    case 'gone':
      throw sessionNotFound();
    case 'running':
      throw new PlatformError('wrong_state', 'A turn of the session is running or waiting. Fork the session when it has ended.');
    case 'unknown_message':
      throw new PlatformError('not_found', 'The session has no such message.', { field: 'up_to_message_id' });
    case 'limit':
      throw new PlatformError('resource_limit_reached', `An organization can have ${limit} sessions.`);
  }
}
