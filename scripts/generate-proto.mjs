// Regenerates packages/contract/src/generated from the .proto files. The output is committed.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cwd = fileURLToPath(new URL('../packages/contract', import.meta.url));
const buf = fileURLToPath(new URL('../node_modules/.bin/buf', import.meta.url));
process.exit(spawnSync(buf, ['generate'], { cwd, stdio: 'inherit' }).status ?? 1);
