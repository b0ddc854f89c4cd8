/** DEV_MODE with a stand-in for the composition of server and worker. */
import type { ComposeParams } from '../src/compose.ts';
import { parseLocalConfig } from '../src/config.ts';
import { startDevMode } from '../src/dev-mode.ts';
import { runUntilStopped } from '../src/run.ts';

const say = (line: string) => console.log(line);

const code = await runUntilStopped(async () => {
  const config = parseLocalConfig(process.env, '/nowhere');
  for (const warning of config.warnings) say(warning);
  const compose = async ({ env }: ComposeParams) => {
    Object.assign(process.env, env);
    await import('./stand-in-server.ts');
    return { failed: new Promise<never>(() => undefined), stop: async () => say('composition stopped') };
  };
  return startDevMode({ config, env: process.env, compose, say });
}, say);
process.exit(code);
