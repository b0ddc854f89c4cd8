// Brings the generated part of docs/sre/environment-variables.md up to date with apps/server/src/config.ts.
import { readFileSync, writeFileSync } from 'node:fs';
import { withEnvironmentTable } from '../apps/server/src/config-docs.ts';

const file = new URL('../docs/sre/environment-variables.md', import.meta.url);
writeFileSync(file, withEnvironmentTable(readFileSync(file, 'utf8')));
