import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

/** What is held about a user besides the account itself and its organizations. Never what opens anything. */
export interface PersonalData extends Row {
  tokens: {
    id: Uuid;
    org_id: Uuid | null;
    name: string;
    token_prefix: string;
    scopes: string[];
    expires_at: string | null;
    last_used_at: string | null;
    created_at: string;
  }[];
  logins: { user_agent: string | null; ip: string | null; created_at: string; expires_at: string }[];
  identities: { provider: string; created_at: string }[];
  connections: { org_id: Uuid; provider: string; created_at: string }[];
}

const FIND: Statement = {
  name: 'personal_data',
  text: `select
    (select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'org_id', t.org_id, 'name', t.name, 'token_prefix', t.token_prefix, 'scopes', t.scopes,
        'expires_at', t.expires_at, 'last_used_at', t.last_used_at, 'created_at', t.created_at) order by t.created_at, t.id), '[]')
      from personal_access_tokens t where t.user_id = $1) as tokens,
    (select coalesce(jsonb_agg(jsonb_build_object('user_agent', s.user_agent, 'ip', s.ip, 'created_at', s.created_at, 'expires_at', s.expires_at)
        order by s.created_at, s.id), '[]') from login_sessions s where s.user_id = $1) as logins,
    (select coalesce(jsonb_agg(jsonb_build_object('provider', i.provider, 'created_at', i.created_at) order by i.provider), '[]')
      from user_identities i where i.user_id = $1) as identities,
    (select coalesce(jsonb_agg(jsonb_build_object('org_id', c.org_id, 'provider', c.provider, 'created_at', c.created_at) order by c.org_id, c.provider), '[]')
      from user_connections c where c.user_id = $1) as connections`,
};

export async function personalData(db: Queryable, userId: Uuid): Promise<PersonalData> {
  return (await db.run<PersonalData>(FIND, [userId]))[0] as PersonalData;
}
