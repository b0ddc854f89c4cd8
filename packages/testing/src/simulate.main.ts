/** `npm run simulate`: see `npm run simulate -- --help`. */
import { parseCommand, USAGE, UsageError } from './simulation/command.ts';
import type { Command } from './simulation/command.ts';
import { FAULTS } from './simulation/faults.ts';
import { simulate } from './simulation/simulate.ts';
import { countsTable, coverageTable, findFault, survey } from './simulation/survey.ts';

const PROGRESS_EVERY = 1_000;

process.exitCode = main(process.argv.slice(2)) ? 0 : 1;

/** True when everything was as it should be. */
function main(args: readonly string[]): boolean {
  try {
    return run(parseCommand(args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return false;
  }
}

function run(command: Command): boolean {
  switch (command.what) {
    case 'help':
      console.log(USAGE);
      return true;
    case 'replay':
      return replay(command);
    case 'faults':
      return showFaults(command);
    case 'survey':
      return showSurvey(command);
    default:
      return command.what satisfies never;
  }
}

function replay({ seed, faults, isolation }: Command): boolean {
  const result = simulate({ seed, faults, isolation, trace: true });
  console.log(result.trace.join('\n'));
  console.log(`\nSeed ${seed}: ${result.violation ?? 'every rule held'} (${result.steps} steps, ${result.virtualMs} virtual ms)`);
  return result.violation === null;
}

function showSurvey(command: Command): boolean {
  const { from, schedules, faults, isolation } = command;
  const startedMs = performance.now();
  const total = survey({
    from,
    schedules,
    faults,
    isolation,
    onSchedule: (result, n) => {
      if (result.violation !== null) console.log(`Seed ${result.seed}: ${result.violation}\n  ${replayCommand(result.seed, command)}`);
      if (n % PROGRESS_EVERY === 0) showProgress(`${n} of ${schedules} schedules`);
    },
  });
  endProgress();
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log([...countsTable(total.counts), '', ...coverageTable(total.decisions), ''].join('\n'));
  const hours = (total.virtualMs / 3_600_000).toFixed(1);
  console.log(`${total.schedules} schedules, ${total.violations.length} broke a rule; ${hours} virtual hours in ${seconds.toFixed(1)} s`);
  return total.violations.length === 0;
}

function showFaults({ from, schedules, isolation }: Command): boolean {
  let missed = 0;
  for (const fault of FAULTS) {
    const { found, schedules: tried } = findFault(fault, { from, schedules, isolation });
    if (found === null) missed++;
    const [what = ''] = found === null ? [`not seen in ${tried} schedules`] : found.violation.split('\n');
    console.log(`${fault.padEnd(24)} ${found === null ? '' : `seed ${found.seed}: `}${what}`);
  }
  console.log(`\n${FAULTS.length - missed} of ${FAULTS.length} planted faults seen`);
  return missed === 0;
}

function replayCommand(seed: number, { faults, isolation }: Command): string {
  const flags = [...faults.map((fault) => `--fault ${fault}`), ...(isolation === 'serializable' ? ['--serializable'] : [])];
  return ['npm run simulate -- --seed', seed, ...flags].join(' ');
}

/** One line that counts up in a terminal; a line of its own each time anywhere else. */
function showProgress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r${text}` : `${text}\n`);
}

function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
}
