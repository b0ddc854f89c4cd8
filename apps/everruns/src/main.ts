import { fileURLToPath } from 'node:url';
import { parseLocalConfig } from './config.ts';
import type { LocalConfig } from './config.ts';
import { startDevMode } from './dev-mode.ts';
import { startLocal } from './local.ts';
import type { Runtime } from './local.ts';
import { preparePages } from './pages.ts';
import { runUntilStopped } from './run.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const say = (line: string) => console.log(line);
const entries = {
  server: fileURLToPath(new URL('../../server/src/main.ts', import.meta.url)),
  worker: fileURLToPath(new URL('../../worker/src/main.ts', import.meta.url)),
};

async function start(
  params: { config: LocalConfig; env: NodeJS.ProcessEnv; say: (line: string) => void },
  signal: AbortSignal,
): Promise<Runtime> {
  if (!params.config.devMode) return startLocal({ ...params, entries, signal });
  const { composeInProcess } = await import('./compose.ts'); // the supervisor of processes needs none of their code
  return startDevMode({ ...params, compose: composeInProcess });
}

const code = await runUntilStopped(async (signal) => {
  const config = parseLocalConfig(process.env, ROOT);
  for (const warning of config.warnings) say(warning);
  const pages = process.env.UI_DIRECTORY === undefined ? preparePages(ROOT, process.env) : null;
  const env = { ...process.env, ...(pages !== null && { UI_DIRECTORY: pages.directory }) };
  const runtime = await start({ config, env, say }, signal);
  pages?.build(signal).catch((error: unknown) => {
    if (!signal.aborted) say(`The management pages could not be built, everything else works: ${String(error)}`);
  });
  return runtime;
}, say);
process.exit(code);
