/**
 * `npm test`: format, lint and types, then the three kinds of tests. Runs everything even after a failure, so that one run tells all, and
 * ends with one line, `N passed, N failed`. Arguments go to vitest as filters and skip the checks.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { summarize, type Report } from './test-summary.ts';

const ROOT = join(import.meta.dirname, '..');
const BIN = join(ROOT, 'node_modules', '.bin');
const PROJECTS = ['pure', 'contract', 'system'];
const CHECKS: { name: string; command: [string, ...string[]] }[] = [
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'lint', command: ['oxlint', '--type-aware'] },
  { name: 'types', command: ['tsc', '--noEmit'] },
];

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
process.on('disconnect', () => process.exit(1)); // the command was killed: nobody reads the result
process.channel?.unref();

const filters = process.argv.slice(2);
const reports = await mkdtemp(join(tmpdir(), 'everruns-reports-'));
const checks: { name: string; ok: boolean }[] = [];
for (const { name, command } of filters.length === 0 ? CHECKS : []) {
  console.log(`\n> ${name}`);
  checks.push({ name, ok: await run(command) });
}
const runs: { name: string; ok: boolean; report: Report | undefined }[] = [];
for (const name of PROJECTS) {
  console.log(`\n> ${name} tests`);
  const file = join(reports, `${name}.json`);
  const ok = await run([
    'vitest',
    'run',
    '--project',
    name,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...vitestFilters(),
  ]);
  runs.push({ name, ok, report: await readReport(file) });
}
await rm(reports, { recursive: true, force: true });
const { passed, failed, remarks } = summarize(checks, runs);
for (const remark of remarks) console.log(remark);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function vitestFilters(): string[] {
  return filters.length === 0 ? [] : ['--passWithNoTests', ...filters];
}

/** True when the tool ended with code 0. The tool's own Node is ours: system versions are too old for some. */
function run([tool, ...args]: [string, ...string[]]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(BIN, tool), ...args], { cwd: ROOT, stdio: 'inherit' });
    const stop = () => child.kill('SIGTERM');
    process.once('exit', stop);
    child.on('error', () => resolve(false));
    child.on('exit', (code) => {
      process.off('exit', stop);
      resolve(code === 0);
    });
  });
}

async function readReport(file: string): Promise<Report | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined); // a run that crashed leaves none, which summarize counts
  return text === undefined ? undefined : (JSON.parse(text) as Report);
}
