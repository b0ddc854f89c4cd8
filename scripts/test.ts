/**
 * `npm test`: format, lint and types, then the three kinds of tests. Runs everything even after a failure, so that one run tells all, and
 * ends with one line, `N passed, N failed`. Arguments go to vitest as filters and skip the checks.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LostFiles } from './lost-files-reporter.ts';
import { summarize, withSecondRun, type Report } from './test-summary.ts';

const ROOT = join(import.meta.dirname, '..');
const BIN = join(ROOT, 'node_modules', '.bin');
const PROJECTS = ['pure', 'contract', 'system'];
const CHECKS: { name: string; command: [string, ...string[]] }[] = [
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'lint', command: ['oxlint', '--type-aware'] },
  { name: 'types', command: ['tsc', '--noEmit'] },
  { name: 'types of the pages', command: ['tsc', '--noEmit', '-p', 'apps/ui'] },
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
  runs.push({ name, ...(await runTests(name, vitestFilters())) });
}
await rm(reports, { recursive: true, force: true });
const { passed, failed, remarks } = summarize(checks, runs);
for (const remark of remarks) console.log(remark);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function vitestFilters(): string[] {
  return filters.length === 0 ? [] : ['--passWithNoTests', ...filters];
}

/**
 * Runs what the filters leave of a project. A process of tests that dies by a signal, as Node itself does now and then, takes the results of its files
 * along: those run once more, and that is said. A process that ends by itself is a failure.
 */
async function runTests(project: string, chosen: string[]): Promise<{ ok: boolean; report: Report | undefined }> {
  const first = await runVitest(project, chosen);
  const killed = first.lost.filter(({ cause }) => cause.startsWith('signal '));
  if (killed.length === 0 || killed.length < first.lost.length) return first;
  const files = killed.flatMap((lost) => lost.files);
  console.log(`\nA process of tests died by ${killed[0]?.cause}. Its files run once more:\n${files.join('\n')}`);
  const again = await runVitest(project, files);
  if (again.report === undefined) return first;
  const report = withSecondRun(first.report, again.report);
  return { ok: again.ok && report.testResults.every(({ status }) => status === 'passed'), report };
}

interface VitestRun {
  ok: boolean;
  report: Report | undefined;
  lost: LostFiles[];
}

async function runVitest(project: string, chosen: string[]): Promise<VitestRun> {
  const [json, lost] = [join(reports, `${project}.json`), join(reports, `${project}-lost.json`)];
  await Promise.all([json, lost].map((file) => rm(file, { force: true })));
  const options = [`--outputFile.json=${json}`, `--reporter=${join(import.meta.dirname, 'lost-files-reporter.ts')}`];
  const command = ['vitest', 'run', '--project', project, '--reporter=default', '--reporter=json', ...options, ...chosen] as const;
  const ok = await run([...command], { LOST_FILES: lost });
  return { ok, report: await readJson<Report>(json), lost: (await readJson<LostFiles[]>(lost)) ?? [] };
}

/** True when the tool ended with code 0. The tool's own Node is ours: system versions are too old for some. */
function run([tool, ...args]: [string, ...string[]], env: Record<string, string> = {}): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(BIN, tool), ...args], { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
    const stop = () => child.kill('SIGTERM');
    process.once('exit', stop);
    child.on('error', () => resolve(false));
    child.on('exit', (code) => {
      process.off('exit', stop);
      resolve(code === 0);
    });
  });
}

async function readJson<T>(file: string): Promise<T | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined); // a run that crashed leaves none, which summarize counts
  return text === undefined ? undefined : (JSON.parse(text) as T);
}
