import { fileURLToPath } from 'node:url';
import { parseLocalConfig } from './config.ts';
import { startDevMode } from './dev-mode.ts';
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
  const params = { config, env: process.env, say };
  if (!config.devMode) return startLocal({ ...params, entries, signal });
  const { composeInProcess } = await import('./compose.ts'); // the supervisor of processes needs none of their code
  return startDevMode({ ...params, compose: composeInProcess });
}, say);
process.exit(code);
