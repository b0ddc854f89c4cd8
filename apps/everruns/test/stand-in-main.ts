/** `npm start` with stand-ins for server and worker. */
import { fileURLToPath } from 'node:url';
import { parseLocalConfig } from '../src/config.ts';
import { startLocal } from '../src/local.ts';
import { runUntilStopped } from '../src/run.ts';

const say = (line: string) => console.log(line);
const entry = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const entries = { server: entry('./stand-in-server.ts'), worker: entry('./stand-in-worker.ts') };

const code = await runUntilStopped(
  async (signal) => startLocal({ config: parseLocalConfig(process.env, '/nowhere'), env: process.env, entries, say, signal }),
  say,
);
process.exit(code);
