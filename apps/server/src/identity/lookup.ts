import type { Role, Uuid } from '@everruns/contract';

/** What the database says about the owner of a credential while a request is being let in. Claims of a credential are never asked. */
export interface KnownUser {
  userId: Uuid;
  kind: 'person' | 'service';
  email: string;
  name: string;
  isPlatformUser: boolean;
  /** Oldest first. */
  memberships: readonly { orgId: Uuid; role: Role }[];
}

/** A personal access token that can be used now: it has neither expired nor been revoked. */
export interface FoundToken {
  tokenId: Uuid;
  owner: KnownUser;
  scopes: readonly string[];
  /** Null: every organization of its owner. */
  boundOrgId: Uuid | null;
}

/** Finds a token by the SHA-256 of its whole text, in one statement. */
export type TokenLookup = (hash: Buffer) => Promise<FoundToken | null>;

/** Finds whose login session this is, as long as it lasts, in one statement. */
export type LoginLookup = (login: { sessionId: Uuid; userId: Uuid }) => Promise<KnownUser | null>;
