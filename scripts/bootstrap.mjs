/**
 * The way from a fresh clone to a running command, on any Node >= 20 and with no dependency: installs what is missing, then hands over to
 * Node 24, which comes with the project as an npm package. `node scripts/bootstrap.mjs <command> [arguments]`
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasDevelopmentPackages, missingPackages } from './install-state.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const REQUIRED_MAJOR = 24;
const PARENT_POLL_MS = 500;

/** `runtime` commands are for users and leave out what only developers need. */
const COMMANDS = {
  start: { entry: 'apps/everruns/src/main.ts', runtime: true },
  worker: { entry: 'apps/everruns/src/worker-command.ts', runtime: true },
  everruns: { entry: 'apps/cli/src/main.ts', runtime: true },
  demo: { entry: 'apps/everruns/src/demo.ts', runtime: true },
  secrets: { entry: 'apps/server/src/secrets.main.ts', runtime: true },
  test: { entry: 'scripts/test.ts', runtime: false },
  bench: { entry: 'bench/src/main.ts', runtime: false },
  'kill-table': { entry: 'packages/testing/src/kill-table.main.ts', runtime: false },
  mutants: { entry: 'packages/testing/src/mutants.main.ts', runtime: false },
  simulate: { entry: 'packages/testing/src/simulate.main.ts', runtime: false },
};

const [name = '', ...rest] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command === undefined) fail(`Unknown command "${name}". Known: ${Object.keys(COMMANDS).join(', ')}.`);
await install(command.runtime);
handOver(findNode(), command.entry, rest);

/** @param {boolean} runtime */
async function install(runtime) {
  const wanted = readJson(join(ROOT, 'package-lock.json'));
  if (wanted === undefined) fail('package-lock.json is missing or damaged: check out the repository again.');
  const installed = readJson(join(MODULES, '.package-lock.json'));
  const omitDev = runtime && !hasDevelopmentPackages(wanted, installed);
  const missing = missingPackages(wanted, installed, { omitDev });
  if (missing.length === 0) return;
  const started = Date.now();
  process.stderr.write(`Installing ${missing.length} packages ...`);
  // Not `npm ci`: it would take node_modules away from under a server that runs from it. The lock file still decides every version.
  // No install scripts: nothing here needs them.
  const flags = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress'];
  const { code, output } = await npm([...flags, ...(omitDev ? ['--omit=dev'] : ['--include=dev'])]);
  if (code !== 0) {
    process.stderr.write(` failed.\n${output}\n`);
    fail('npm could not install the packages; its output is above.');
  }
  process.stderr.write(` done in ${((Date.now() - started) / 1000).toFixed(0)} s.\n`);
}

/** Runs npm on the Node that it was started with: the one in node_modules may be what is being replaced. */
function npm(args) {
  const cli = process.env.npm_execpath;
  const node = process.env.npm_node_execpath ?? process.execPath;
  const [file, list] = cli === undefined || !/\.[cm]?js$/.test(cli) ? ['npm', args] : [node, [cli, ...args]];
  return new Promise((resolve) => {
    const child = spawn(file, list, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ code: 1, output: `${output}${error.message}` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** The packaged Node, else the user's own when it is new enough. Tried by running it: a binary for another libc exists and does not start. */
function findNode() {
  for (const candidate of [join(MODULES, '.bin', 'node'), process.execPath, process.env.npm_node_execpath]) {
    if (candidate === undefined || !existsSync(candidate)) continue;
    const { stdout } = spawnSync(candidate, ['--version'], { encoding: 'utf8' });
    if (Number(/^v(\d+)\./.exec(stdout ?? '')?.[1]) >= REQUIRED_MAJOR) return candidate;
  }
  const here = `${process.platform}-${process.arch}`;
  fail(
    `Node ${REQUIRED_MAJOR} or newer is needed, no packaged one runs on ${here}, and this is Node ${process.version}: install it from nodejs.org and try again.`,
  );
}

/** Runs the entry in the foreground. The IPC channel tells it when this process is killed. */
function handOver(node, entry, args) {
  const path = `${join(MODULES, '.bin')}${delimiter}${process.env.PATH ?? ''}`;
  const child = spawn(node, [join(ROOT, entry), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    // Whatever runs below keeps what Node has made of its sources: starting a process costs half as much the next time.
    env: { NODE_COMPILE_CACHE: join(ROOT, '.cache', 'node'), ...process.env, PATH: path },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  if (process.env.npm_lifecycle_event !== undefined) onParentGone(() => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`${node} did not start: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/** npm may be killed without a word to its scripts; what they run would go on unseen. */
function onParentGone(act) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    act();
  }, PARENT_POLL_MS);
  timer.unref();
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // absent and damaged are treated alike: the installation is made anew
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
