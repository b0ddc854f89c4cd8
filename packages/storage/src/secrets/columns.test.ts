import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ENCRYPTED_COLUMNS, WRAPPED_KEY_COLUMN } from './columns.ts';

const MIGRATIONS = new URL('../../migrations/', import.meta.url);

/** `table.column` of every column that the migrations create with the suffix of encrypted ones. */
function encryptedColumns(): string[] {
  const found: string[] = [];
  for (const file of readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'))) {
    let table = '';
    for (const line of readFileSync(new URL(file, MIGRATIONS), 'utf8').split('\n')) {
      table = /^\s*(?:create(?: unlogged)? table(?: if not exists)?|alter table)\s+(\w+)/.exec(line)?.[1] ?? table;
      const column = /^\s*(?:.*\badd column )?(\w+_encrypted)\s+\w+/.exec(line)?.[1];
      if (column !== undefined) found.push(`${table}.${column}`);
    }
  }
  return found.sort();
}

test('every column that ends _encrypted is in the registry, and the registry has no other', () => {
  const registered = [...ENCRYPTED_COLUMNS, WRAPPED_KEY_COLUMN].map(({ table, column }) => `${table}.${column}`).sort();
  expect(encryptedColumns()).toEqual(registered);
});
