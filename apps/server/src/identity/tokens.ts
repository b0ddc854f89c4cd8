import { PlatformError, toPublicId } from '@everruns/contract';
import type { CreatePersonalAccessToken, NewPersonalAccessToken, PersonalAccessToken, Uuid } from '@everruns/contract';
import { deleteToken, findMaker, insertToken, listMemberships, listTokens } from '@everruns/storage';
import type { Database, MakerRow, TokenRow } from '@everruns/storage';
import type { Caller } from '../http/caller.ts';
import { isoOrNull, present } from '../services/present/fields.ts';
import { newTokenText } from './token-text.ts';
import { noSuchOrganization, reachOf, requireWholeAccount, scopesOf } from './token-rules.ts';

export const DAY_SECS = 86_400;

export interface TokenService {
  /** Of the caller; a token of one organization sees those of that organization. */
  list(caller: Caller): Promise<PersonalAccessToken[]>;
  /** Throws `unsupported_pat_scopes`, `organization_required`, `not_found`, `forbidden`, `resource_limit_reached`. */
  create(caller: Caller, request: CreatePersonalAccessToken): Promise<NewPersonalAccessToken>;
  /** What was made with it goes too. */
  remove(caller: Caller, tokenId: Uuid): Promise<void>;
}

export interface TokenServiceDeps {
  db: Database;
  newId: () => Uuid;
  /** Tokens of one user; 0 = no limit. */
  limit: number;
}

export function createTokenService({ db, newId, limit }: TokenServiceDeps): TokenService {
  return {
    async list(caller) {
      requireWholeAccount(caller);
      return (await listTokens(db, { userId: caller.userId, orgId: caller.credential.boundOrgId })).map(presentToken);
    },
    async create(caller, request) {
      requireWholeAccount(caller);
      const maker = await makerOf(db, caller);
      if (maker?.owner_kind === 'service') throw new PlatformError('forbidden', 'A service account gets its tokens from administrators.');
      const scopes = scopesOf(request.scopes, maker?.scopes ?? ['*']);
      const orgId = reachOf({ ...request, chosen: caller.orgId }, maker);
      const memberships = orgId === null ? [] : await listMemberships(db, caller.userId);
      if (orgId !== null && !memberships.some(({ org_id }) => org_id === orgId)) throw noSuchOrganization();
      const { text, hash, prefix } = newTokenText();
      const row = await insertToken(db, {
        id: newId(),
        userId: caller.userId,
        orgId,
        madeWith: maker === null ? null : caller.credential.id,
        name: request.name,
        hash,
        prefix,
        scopes,
        metadata: { source: caller.credential.kind === 'login' ? 'web_ui' : 'api' },
        expiresInSecs: request.expires_in_days === undefined ? null : request.expires_in_days * DAY_SECS,
        limit,
      });
      return { ...presentToken(insertedOf(row, limit)), key: text };
    },
    async remove(caller, tokenId) {
      requireWholeAccount(caller);
      const gone = await deleteToken(db, { userId: caller.userId, orgId: caller.credential.boundOrgId }, tokenId);
      if (gone === null) throw new PlatformError('not_found', 'There is no such token.');
    },
  };
}

/** The token that calls, or null when none does. */
async function makerOf(db: Database, { credential }: Pick<Caller, 'credential'>): Promise<MakerRow | null> {
  if (credential.kind !== 'personal_access_token' || credential.id === null) return null;
  const maker = await findMaker(db, credential.id);
  if (maker === null) throw new PlatformError('unauthenticated', 'The token has been revoked.');
  return maker;
}

export function insertedOf(row: TokenRow | 'limit' | 'gone', limit: number): TokenRow {
  if (row === 'limit') throw new PlatformError('resource_limit_reached', `There can be ${limit} tokens that have not expired.`);
  if (row === 'gone') throw new PlatformError('not_found', 'What the token should be for is not there any more.');
  return row;
}

export function presentToken(row: TokenRow): PersonalAccessToken {
  return present({
    id: row.id,
    name: row.name,
    key_prefix: row.token_prefix,
    scopes: row.scopes,
    organization_id: row.org_id === null ? null : toPublicId('organization', row.org_id),
    all_organizations: row.org_id === null,
    metadata: row.metadata,
    expires_at: isoOrNull(row.expires_at),
    last_used_at: isoOrNull(row.last_used_at),
    created_at: row.created_at.toISOString(),
  }) as PersonalAccessToken;
}
