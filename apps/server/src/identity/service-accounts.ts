import { mayGrant, PlatformError } from '@everruns/contract';
import type {
  CreateServiceAccount,
  CreateServiceAccountToken,
  NewPersonalAccessToken,
  PersonalAccessToken,
  Role,
  ServiceAccount,
  UpdateServiceAccount,
  Uuid,
} from '@everruns/contract';
import {
  deleteServiceAccount,
  deleteToken,
  findServiceAccount,
  insertServiceAccount,
  insertToken,
  listServiceAccounts,
  listTokens,
  updateServiceAccount,
} from '@everruns/storage';
import type { Database, ServiceAccountRow } from '@everruns/storage';
import type { Caller } from '../http/caller.ts';
import { isoOrNull, present } from '../services/present/fields.ts';
import { newTokenText } from './token-text.ts';
import { DAY_SECS, insertedOf, presentToken } from './tokens.ts';
import { scopesOf } from './token-rules.ts';

/** Whoever calls, in an organization that is chosen and with a role in it. */
type Administrator = Caller & { orgId: Uuid };

/** Programs that are users of an organization. Nobody makes, changes or gives tokens to one with more power than their own. */
export interface ServiceAccountService {
  list(caller: Administrator): Promise<ServiceAccount[]>;
  get(caller: Administrator, id: Uuid): Promise<ServiceAccount>;
  create(caller: Administrator, request: CreateServiceAccount): Promise<ServiceAccount>;
  update(caller: Administrator, id: Uuid, request: UpdateServiceAccount): Promise<ServiceAccount>;
  /** Its tokens end at once. */
  remove(caller: Administrator, id: Uuid): Promise<void>;
  listTokens(caller: Administrator, id: Uuid): Promise<PersonalAccessToken[]>;
  createToken(caller: Administrator, id: Uuid, request: CreateServiceAccountToken): Promise<NewPersonalAccessToken>;
  removeToken(caller: Administrator, id: Uuid, tokenId: Uuid): Promise<void>;
}

export interface ServiceAccountDeps {
  db: Database;
  newId: () => Uuid;
  /** Accounts of one organization, and tokens of one account; 0 = no limit. */
  limits: { accounts: number; tokens: number };
}

export function createServiceAccountService({ db, newId, limits }: ServiceAccountDeps): ServiceAccountService {
  const find = async ({ orgId }: Administrator, id: Uuid): Promise<ServiceAccountRow> => {
    const row = await findServiceAccount(db, { orgId, id });
    if (row === null) throw new PlatformError('not_found', 'There is no such service account.');
    return row;
  };
  const findWithin = async (caller: Administrator, id: Uuid): Promise<ServiceAccountRow> => {
    const row = await find(caller, id);
    requireRole(caller, row.role);
    return row;
  };
  return {
    list: async ({ orgId }) => (await listServiceAccounts(db, orgId)).map(presentAccount),
    get: async (caller, id) => presentAccount(await find(caller, id)),
    async create(caller, { name, description, role }) {
      requireRole(caller, role);
      const account = { id: newId(), name, description: description ?? null, role, createdBy: caller.userId, limit: limits.accounts };
      if (!(await insertServiceAccount(db, caller.orgId, account))) {
        throw new PlatformError('resource_limit_reached', `An organization can have ${limits.accounts} service accounts.`);
      }
      return presentAccount(await find(caller, account.id));
    },
    async update(caller, id, request) {
      await findWithin(caller, id);
      if (request.role !== undefined) requireRole(caller, request.role);
      await updateServiceAccount(db, { orgId: caller.orgId, id }, request);
      return presentAccount(await find(caller, id));
    },
    async remove(caller, id) {
      await findWithin(caller, id);
      await deleteServiceAccount(db, { orgId: caller.orgId, id });
    },
    async listTokens(caller, id) {
      await find(caller, id);
      return (await listTokens(db, { userId: id, orgId: caller.orgId })).map(presentToken);
    },
    async createToken(caller, id, request) {
      const account = await findWithin(caller, id);
      const { text, hash, prefix } = newTokenText();
      const row = await insertToken(db, {
        id: newId(),
        userId: account.id,
        orgId: caller.orgId,
        madeWith: caller.credential.kind === 'personal_access_token' ? caller.credential.id : null,
        name: request.name,
        hash,
        prefix,
        scopes: scopesOf(request.scopes, caller.credential.scopes),
        metadata: { source: caller.credential.kind === 'login' ? 'web_ui' : 'api' },
        expiresInSecs: request.expires_in_days === undefined ? null : request.expires_in_days * DAY_SECS,
        limit: limits.tokens,
      });
      return { ...presentToken(insertedOf(row, limits.tokens)), key: text };
    },
    async removeToken(caller, id, tokenId) {
      await find(caller, id);
      const gone = await deleteToken(db, { userId: id, orgId: caller.orgId }, tokenId);
      if (gone === null) throw new PlatformError('not_found', 'There is no such token.');
    },
  };
}

function requireRole({ role }: Caller, given: Role): void {
  if (role === null || !mayGrant(role, given)) {
    throw new PlatformError('forbidden', `This is for those who have the role ${given} themselves.`, { field: 'role' });
  }
}

function presentAccount(row: ServiceAccountRow): ServiceAccount {
  return present({
    id: row.id,
    name: row.name,
    description: row.description,
    role: row.role,
    token_count: row.token_count,
    last_used_at: isoOrNull(row.last_used_at),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }) as ServiceAccount;
}
