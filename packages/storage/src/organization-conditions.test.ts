import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/**
 * Statements about what an organization owns have the organization as a condition. This reads their texts as they stand in the sources: coarse, but it finds the
 * one that was forgotten. What the engine does for all organizations at once is left out, and so is what follows from a lease or a head.
 */
const SOURCES = import.meta.dirname;
const MIGRATIONS = join(SOURCES, '..', 'migrations');
const FOR_ALL = ['core/', 'log/', 'secrets/', 'fork/', 'containers/removals.ts'];

/** Statements without the condition, and why they need none. */
const WITHOUT: Readonly<Record<string, string>> = {
  identity_of_login: 'who a credential belongs to, with all of their memberships',
  identity_of_token: 'who a credential belongs to, with all of their memberships',
  oauth_access: 'who a credential belongs to, with all of their memberships',
  login_open: 'the memberships of whoever logs in',
  login_rotate: 'the memberships of whoever logs in',
  token_find: 'by the hash of a credential',
  token_touch: 'by the credential that was used',
  token_delete_all: 'all tokens of the anonymous user, in every organization',
  departure_forget_user: 'a user who goes, in every organization',
  departure_memberships: 'a user who goes, in every organization',
  personal_data: 'of one user, in every organization',
  memory_ensure: 'made for an owner whose organization is written',
  memory_sync_claim: 'a loop of the installation',
  memory_sync_end: 'a loop of the installation',
  prune_mcp_runs: 'a loop of the installation',
  providers_due_for_sync: 'a loop of the installation',
  schedules_due: 'a loop of the installation',
  schedule_advance: 'a loop of the installation',
  schedule_retire: 'a loop of the installation',
  session_promise_over: 'by the promise that was made a moment ago',
  skill_activate: 'under a lease, which is of the session',
};

function tablesOfOrganizations(): Set<string> {
  const found = new Set<string>();
  for (const file of readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'))) {
    let table = '';
    for (const line of readFileSync(join(MIGRATIONS, file), 'utf8').split('\n')) {
      table = /^\s*(?:create(?: unlogged)? table(?: if not exists)?|alter table)\s+(\w+)/.exec(line)?.[1] ?? table;
      if (/^\s*(?:add column )?org_id\b/.test(line)) found.add(table);
    }
  }
  return found;
}

function sources(): Map<string, string> {
  const names = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  const wanted = names.filter((name) => name.endsWith('.ts') && !/\.(test|contract)\.ts$|testing\//.test(name));
  return new Map(wanted.map((name) => [name, readFileSync(join(SOURCES, name), 'utf8')]));
}

/** Text of every constant and function by name: parts that statements are put together from. */
function declarations(all: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const source of all.values()) {
    for (const part of source.split(/^(?=(?:export )?(?:async )?(?:const|function) \w+)/m)) {
      const name = /^(?:export )?(?:async )?(?:const|function) (\w+)/.exec(part)?.[1];
      if (name !== undefined) found.set(name, `${found.get(name) ?? ''}${part}`);
    }
  }
  return found;
}

const MAX_DEPTH = 4;

function expanded(text: string, known: ReadonlyMap<string, string>, seen = new Set<string>(), depth = 0): string {
  if (depth === MAX_DEPTH) return text;
  const parts = [...text.matchAll(/\$\{\s*(?:\w+\.)?(\w+)/g)]
    .map(([, name = '']) => name)
    .filter((name) => known.has(name) && !seen.has(name));
  for (const name of parts) seen.add(name);
  return [text, ...parts.map((name) => expanded(known.get(name) ?? '', known, seen, depth + 1))].join('\n');
}

const STATEMENT = /name: [`']([^`']+)[`'],\s*text: ?(`(?:[^`\\]|\\.|\$\{[^}]*\})*`|'(?:[^'\\]|\\.)*'|\w+\()/g;
const CONDITION = /\borg_id\s*=|=\s*(?:\w+\.)?org_id|\(org_id, /;

/** Names of statements that touch what organizations own without naming one, and how many statements there are. */
function unconditional(): { names: string[]; looked: number } {
  const tables = tablesOfOrganizations();
  const all = sources();
  const known = declarations(all);
  const names: string[] = [];
  let looked = 0;
  for (const [file, source] of all) {
    if (FOR_ALL.some((start) => file.startsWith(start))) continue;
    for (const [, name = '', text = ''] of source.matchAll(STATEMENT)) {
      looked++;
      const whole = expanded(text, known);
      const touches = [...whole.matchAll(/\b(?:from|join|update|using)\s+(\w+)/g)].some(([, table = '']) => tables.has(table));
      if (touches && !CONDITION.test(whole)) names.push(name);
    }
  }
  return { names: names.sort(), looked };
}

test('every statement about what organizations own names the organization, but for those that say why not', () => {
  const { names, looked } = unconditional();
  expect(looked).toBeGreaterThan(250);
  expect(names).toEqual(Object.keys(WITHOUT).sort());
});
