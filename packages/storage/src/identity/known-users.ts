import type { Role, Uuid } from '@everruns/contract';
import { ANONYMOUS_USER_ID } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

/** Whom a credential belongs to, with what the database says about them now. */
export interface KnownUser {
  userId: Uuid;
  kind: 'person' | 'service';
  email: string;
  name: string;
  isPlatformUser: boolean;
  /** Oldest first. */
  memberships: { orgId: Uuid; role: Role }[];
}

export interface KnownUserRow extends Row {
  user_id: Uuid;
  kind: 'person' | 'service';
  email: string;
  name: string;
  is_platform_user: boolean;
  memberships: { orgId: Uuid; role: Role }[];
}

/** For a statement in which `u` is a row of users. */
export const KNOWN_USER_COLUMNS = `u.id as user_id, u.kind, u.email, u.name, u.is_platform_user,
    (select coalesce(jsonb_agg(jsonb_build_object('orgId', m.org_id, 'role', m.role) order by m.created_at, m.org_id), '[]')
      from org_members m where m.user_id = u.id) as memberships`;

/** The user of auth mode `none` is nobody else's: no credential ever gives it. For the same statements. */
export const NOT_ANONYMOUS = `u.id <> '${ANONYMOUS_USER_ID}'`;

export function knownUserOf(row: KnownUserRow): KnownUser {
  const { user_id: userId, kind, email, name, is_platform_user: isPlatformUser, memberships } = row;
  return { userId, kind, email, name, isPlatformUser, memberships };
}

const OF_LOGIN: Statement = {
  name: 'identity_of_login',
  text: `select ${KNOWN_USER_COLUMNS} from login_sessions s join users u on u.id = s.user_id
    where s.id = $1 and s.user_id = $2 and s.expires_at > engine_now() and u.kind = 'person' and ${NOT_ANONYMOUS}`,
};

/** Null when the login has ended, or is somebody else's. */
export async function findLoginUser(db: Queryable, { sessionId, userId }: { sessionId: Uuid; userId: Uuid }): Promise<KnownUser | null> {
  const [row] = await db.run<KnownUserRow>(OF_LOGIN, [sessionId, userId]);
  return row === undefined ? null : knownUserOf(row);
}
