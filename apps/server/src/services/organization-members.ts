import { PlatformError } from '@everruns/contract';
import type { Member, Role, Uuid } from '@everruns/contract';
import { changeRole, listPeople, removeMember } from '@everruns/storage';
import type { Database, MemberRefusal, MemberRow } from '@everruns/storage';
import { iso, present } from './present/fields.ts';
import type { CallerScope } from './scope.ts';

/** People of the organization that the scope is in. */
export interface MemberService {
  list(scope: CallerScope): Promise<Member[]>;
  /** Throws `not_found`, `forbidden` for a role above the caller's own, `last_owner`. */
  changeRole(scope: CallerScope, userId: Uuid, role: Role): Promise<{ member: Member; before: Role }>;
  /** Whoever may not manage members can still leave, but not with a token for something else. Throws `not_found`, `forbidden`, `last_owner`. */
  remove(scope: CallerScope & { mayLeave: boolean }, userId: Uuid): Promise<void>;
}

export function createMemberService({ db }: { db: Database }): MemberService {
  return {
    list: async ({ orgId }) => (await listPeople(db, orgId)).map(presentMember),
    async changeRole({ orgId, userId: by }, userId, role) {
      const changed = await changeRole(db, { orgId, userId, by, role });
      if (typeof changed === 'string') throw refusalOf(changed);
      return { member: presentMember(changed.member), before: changed.before };
    },
    async remove({ orgId, userId: by, permissions, mayLeave }, userId) {
      if (!(userId === by && mayLeave) && !permissions.has('org:members:manage')) {
        throw new PlatformError('forbidden', 'This needs the permission org:members:manage.');
      }
      const outcome = await removeMember(db, { orgId, userId, by });
      if (outcome !== 'removed') throw refusalOf(outcome);
    },
  };
}

function refusalOf(refusal: MemberRefusal): PlatformError {
  if (refusal === 'missing') return new PlatformError('not_found', 'There is no such member.');
  if (refusal === 'forbidden') return new PlatformError('forbidden', 'Nobody can give, change or take away a role above their own.');
  return new PlatformError('last_owner', 'Make somebody else an owner first.');
}

function presentMember(row: MemberRow): Member {
  return present({
    user_id: row.user_id,
    email: row.email,
    name: row.name,
    role: row.role,
    avatar_url: row.avatar_url,
    created_at: iso(row.created_at),
  }) as Member;
}
