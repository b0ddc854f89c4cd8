/**
 * Does what the README says, as a newcomer would: `npm start`, the first request, Ctrl-C. Fails unless the request leads to `turn.completed`
 * and the stop leaves nothing behind. Runs on any Node >= 20 with no dependency.
 */
import { spawn } from 'node:child_process';
import { readmeBlock } from './readme.mjs';

const READY_WITHIN_MS = 300_000; // includes the installation
const STOPPED_WITHIN_MS = 60_000;
const request = readmeBlock('First request');
const [url] = /http:\/\/[\d.]+:\d+/.exec(request) ?? [];
if (url === undefined) throw new Error('The first request of README.md names no address.');
if (await isHealthy()) throw new Error(`${url} answers already: stop what runs there first.`);

const started = Date.now();
const npm = spawn('npm', ['start'], { stdio: ['ignore', 'inherit', 'inherit'] });
const exit = new Promise((resolve) => npm.once('exit', (code, signal) => resolve(code ?? signal)));
try {
  await untilHealthy();
  console.log(`/health answers after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  const events = await output('sh', ['-c', request]);
  if (!/^event: turn\.completed$/m.test(events)) throw new Error(`The first request did not lead to turn.completed:\n${events}`);
  console.log('The first request leads to turn.completed.');
} finally {
  npm.kill('SIGINT');
}
const code = await within(STOPPED_WITHIN_MS, exit, 'npm start did not stop');
if (code !== 0) throw new Error(`npm start ended with ${code} after Ctrl-C.`);
if (await isHealthy()) throw new Error('Something still answers after Ctrl-C.');
console.log('Ctrl-C stopped everything.');

async function untilHealthy() {
  const deadline = Date.now() + READY_WITHIN_MS;
  let ended = false;
  void exit.then(() => (ended = true));
  while (!(await isHealthy())) {
    if (ended) throw new Error('npm start ended before it was ready.');
    if (Date.now() > deadline) throw new Error(`npm start was not ready within ${READY_WITHIN_MS / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function isHealthy() {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    return false; // nobody listens
  }
}

/** What the command prints; its exit code says nothing, as the stream ends by the clock. */
function output(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

function within(ms, promise, failure) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${failure} within ${ms / 1000} s.`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
