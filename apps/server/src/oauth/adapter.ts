import type { Uuid } from '@everruns/contract';
import { isUuid } from '@everruns/contract';
import {
  deleteOAuthGrant,
  deleteOAuthGrantOfToken,
  deleteOAuthInteraction,
  deleteOAuthToken,
  deleteOAuthTokensOf,
  findOAuthClient,
  findOAuthGrant,
  findOAuthInteraction,
  findOAuthToken,
  insertOAuthToken,
  saveOAuthGrant,
  saveOAuthInteraction,
  spendOAuthToken,
} from '@everruns/storage';
import type { Database, OAuthTokenKind } from '@everruns/storage';
import { errors } from 'oidc-provider';
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';
import { hashOf } from '../identity/token-text.ts';

/**
 * What the authorization server remembers, in the database: any instance goes on where another one stopped. What holds for one caller
 * alone, such as using a code, is decided by one statement there, not by what was read before.
 */
export function createAdapters(db: Database): AdapterFactory {
  return (name) => {
    if (name === 'Client') return clients(db);
    if (name === 'Grant') return grants(db);
    if (name === 'Interaction') return interactions(db);
    if (name === 'AuthorizationCode' || name === 'AccessToken' || name === 'RefreshToken') return tokens(db, name);
    return NOTHING;
  };
}

/** Of kinds that this server has no use for: it has no sessions of its own, because the login of the user is one. */
const NOTHING: Adapter = {
  upsert: async () => undefined,
  find: async () => undefined,
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
  consume: async () => undefined,
  destroy: async () => undefined,
  revokeByGrantId: async () => undefined,
};

function clients(db: Database): Adapter {
  return {
    ...NOTHING,
    async find(id) {
      const client = await findOAuthClient(db, id);
      if (client === null) return undefined;
      const { secretHash, metadata } = client;
      const secret = secretHash === null ? {} : { client_secret: Buffer.from(secretHash).toString('hex') };
      return { ...metadata, client_id: id, ...secret };
    },
  };
}

function grants(db: Database): Adapter {
  return {
    ...NOTHING,
    async upsert(id, { jti: _id, ...payload }, expiresInSecs = 0) {
      const { accountId: userId, clientId } = payload as { accountId: Uuid; clientId: string };
      await saveOAuthGrant(db, { id, userId, clientId, payload, expiresInSecs });
    },
    async find(id) {
      const found = isUuid(id) ? await findOAuthGrant(db, id) : null;
      return found === null ? undefined : ({ ...found.payload, jti: id, exp: found.expiresAt } as AdapterPayload);
    },
    destroy: async (id) => (isUuid(id) ? deleteOAuthGrant(db, id) : undefined),
  };
}

function tokens(db: Database, kind: OAuthTokenKind): Adapter {
  return {
    ...NOTHING,
    async upsert(id, { jti: _id, ...payload }, expiresInSecs = 0) {
      const kept = await insertOAuthToken(db, { hash: hashOf(id), kind, grantId: payload.grantId as Uuid, payload, expiresInSecs });
      if (!kept) throw new errors.InvalidGrant('the grant has been revoked');
    },
    async find(id) {
      const found = await findOAuthToken(db, kind, hashOf(id));
      if (found === null || (kind === 'RefreshToken' && found.isJustSpent)) return undefined;
      const spent = found.spentAt === null ? {} : { consumed: found.spentAt };
      return { ...found.payload, jti: id, exp: found.expiresAt, ...spent } as AdapterPayload;
    },
    async consume(id) {
      if (await spendOAuthToken(db, kind, hashOf(id))) return;
      // Two at once. A code that two have is in the wrong hands; a refresh token may be that of a client that was impatient.
      if (kind === 'AuthorizationCode') await deleteOAuthGrantOfToken(db, kind, hashOf(id));
      throw new errors.InvalidGrant('it has been used already');
    },
    destroy: (id) => deleteOAuthToken(db, kind, hashOf(id)),
    revokeByGrantId: (grantId) => deleteOAuthTokensOf(db, kind, grantId),
  };
}

function interactions(db: Database): Adapter {
  return {
    ...NOTHING,
    // The way back ends in the id.
    async upsert(id, { jti: _id, returnTo, ...payload }, expiresInSecs = 0) {
      await saveOAuthInteraction(db, hashOf(id), { ...payload, returnTo: returnTo?.replace(id, '') }, expiresInSecs);
    },
    async find(id) {
      const payload = await findOAuthInteraction(db, hashOf(id));
      return payload === null ? undefined : ({ ...payload, jti: id, returnTo: `${payload['returnTo'] as string}${id}` } as AdapterPayload);
    },
    destroy: (id) => deleteOAuthInteraction(db, hashOf(id)),
  };
}
