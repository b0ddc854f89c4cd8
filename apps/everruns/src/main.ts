import { fileURLToPath } from 'node:url';
import { parseLocalConfig } from './config.ts';
import { startLocal } from './local.ts';
import { runUntilStopped } from './run.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const say = (line: string) => console.log(line);
const entries = {
  server: fileURLToPath(new URL('../../server/src/main.ts', import.meta.url)),
  worker: fileURLToPath(new URL('../../worker/src/main.ts', import.meta.url)),
};

const code = await runUntilStopped(async (signal) => {
  const config = parseLocalConfig(process.env, ROOT);
  for (const warning of config.warnings) say(warning);
  return startLocal({ config, env: process.env, entries, say, signal });
}, say);
process.exit(code);
