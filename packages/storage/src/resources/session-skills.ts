import type { SkillStatus, Uuid } from '@everruns/contract';
import { fence, fenced, fenceValues, LeaseLostError } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import type { Queryable, Row, Statement } from '../database.ts';

/** What skills a session has, read along with its configuration, and which of them are at work. */

/** What of a SKILL.md is read for its front matter at most, in bytes. */
export const SKILL_HEAD_BYTES = 8_192;
/** Skills of one workspace that are looked at. */
export const MAX_WORKSPACE_SKILLS = 100;
/** References to skills in one configuration that are looked at. */
const MAX_NAMED_SKILLS = 300;
export const SKILLS_FOLDER = '/.agents/skills';

export interface TurnSkills {
  /** One for each reference, in the order of the tiers; null for a reference to nothing. */
  named: { ref: string; skill: { id: Uuid; name: string; description: string; status: SkillStatus; hidden: boolean } | null }[];
  /** By path; the head of each file in base64. */
  files: { path: string; head: string }[];
}

/** The UUID in a reference, `$ref` being an expression of text; null for what is none. */
const idOf = (ref: string): string =>
  `case when ${ref} ~ '^skill:(skill_)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$'
    then replace(replace(substr(${ref}, 7), 'skill_', ''), '-', '')::uuid end`;

/** References to skills in all tiers: one row each, for a statement that has read the tiers as `chain`, `a` and `s`. */
export const SKILL_REFS = `skill_refs as materialized (
    select t.tier, q.place, q.ref #>> '{}' as ref
    from (select -depth as tier, capabilities from chain union all select 1, capabilities from a union all select 2, capabilities from s) t
      cross join lateral jsonb_path_query(t.capabilities, '$[*].ref ? (@ == "skills" || @ starts with "skill:")') with ordinality q(ref, place)
    limit ${MAX_NAMED_SKILLS})`;

/** The front matter of a file, as far as the line that ends it; of a file that is no text, a byte that is in none. */
const HEAD = `case when f.is_binary then '\\x00'::bytea else substring(f.content from 1 for
    least(${SKILL_HEAD_BYTES}, coalesce(nullif(position('\\x0a2d2d2d'::bytea in substring(f.content from 4 for ${SKILL_HEAD_BYTES})), 0) + 6, ${SKILL_HEAD_BYTES}))) end`;

/** The SKILL.md of each skill of a workspace: `path`, `content`, `is_binary`. However much lies in the folders, so many looks are all that is made. */
const skillFiles = (workspace: string): string => `select f.path, f.content, f.is_binary from (
        select path from files where workspace_id = ${workspace} and org_id = $1 and parent = '${SKILLS_FOLDER}' order by path limit ${MAX_WORKSPACE_SKILLS}) d
      cross join lateral (
        select x.path, x.content, x.is_binary from files x
        where x.workspace_id = ${workspace} and x.path = (d.path || '/SKILL.md') collate "C" and x.org_id = $1 and not x.is_directory limit 1) f`;

/** Null when no tier asks for skills. `$1` is the organization. */
export const TURN_SKILLS = `(select case when exists (select from skill_refs) then jsonb_build_object(
    'named', (select jsonb_agg(jsonb_build_object('ref', r.ref, 'skill', case when k.id is not null then jsonb_build_object('id', k.id, 'name', k.name,
        'description', k.description, 'status', k.status, 'hidden', coalesce(k.disable_model_invocation, false)) end) order by r.tier, r.place)
      from skill_refs r left join skills k on k.org_id = $1 and k.id = ${idOf('r.ref')} and k.status <> 'deleted' where r.ref <> 'skills'),
    'files', (select jsonb_agg(jsonb_build_object('path', f.path, 'head', encode(${HEAD}, 'base64')) order by f.path)
      from (${skillFiles('s.workspace_id')}) f)) end)`;

export interface TurnSkillsColumn {
  named: TurnSkills['named'] | null;
  files: TurnSkills['files'] | null;
}

export function decodeTurnSkills(column: TurnSkillsColumn | null): TurnSkills | undefined {
  return column === null ? undefined : { named: column.named ?? [], files: column.files ?? [] };
}

const OF_WORKSPACE: Statement = {
  name: 'workspace_skills',
  text: `select f.path, encode(${HEAD}, 'base64') as head from (${skillFiles('$2::uuid')}) f order by f.path`,
};

/** What a workspace has, for a session that is not there yet. */
export function findWorkspaceSkills(db: Queryable, orgId: Uuid, workspaceId: Uuid): Promise<TurnSkills['files']> {
  return db.run<TurnSkills['files'][number] & Row>(OF_WORKSPACE, [orgId, workspaceId]);
}

const ACTIVATE: Statement = {
  name: 'skill_activate',
  text: `with ${fence({ taskId: '$6', token: '$7', sessionId: '$1' })},
    n as (
      insert into session_skills (session_id, org_id, name, content_hash, activated_by) select $1, $2, $3, sha256($4::bytea), $5 where ${fenced('$6')}
      on conflict (session_id, name) do update set content_hash = excluded.content_hash, activated_by = excluded.activated_by,
        activated_at = clock_timestamp() where session_skills.content_hash <> excluded.content_hash
      returning 1)
    select ${fenced('$6')} as standing, exists (select from n) or coalesce(
      (select k.activated_by = $5 from session_skills k where k.session_id = $1 and k.name = $3 and k.content_hash = sha256($4::bytea)), false) as fresh`,
};

export interface ActivatedSkill {
  orgId: Uuid;
  sessionId: Uuid;
  name: string;
  /** As the model reads them. */
  instructions: string;
  /** The call; the same on every attempt. */
  by: string;
}

/** False when it is at work with these instructions since an earlier call. Throws `LeaseLostError`. */
export async function activateSkill(db: Queryable, skill: ActivatedSkill, lease: WriterLease): Promise<boolean> {
  const { orgId, sessionId, name, instructions, by } = skill;
  const values = [sessionId, orgId, name, Buffer.from(instructions), by, ...fenceValues(lease)];
  const [row] = await db.run<{ standing: boolean; fresh: boolean } & Row>(ACTIVATE, values);
  if (row?.standing !== true) throw new LeaseLostError('The lease has ended.');
  return row.fresh;
}
