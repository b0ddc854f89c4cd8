// Writes packages/client/openapi.json as the product serves it, and from it the client's types. Both are committed.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param {string} command @param {string[]} args @param {Record<string, string>} env */
function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}

run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--project', 'contract', '-u', 'openapi-document']);
// Only here, because it needs a TypeScript of its own.
const packages = ['--package=openapi-typescript@7.13.0', '--package=typescript@5.9.3'];
const flags = ['--default-non-nullable=false', 'packages/client/openapi.json', '-o', 'packages/client/src/generated/api.ts'];
run('npm', ['exec', '--yes', ...packages, '--', 'openapi-typescript', ...flags]);
