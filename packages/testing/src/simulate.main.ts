/**
 * `npm run simulate`: the engine under seeded schedules, in virtual time. Every seed can be replayed.
 *
 *   npm run simulate                          10,000 schedules, what they covered, and any rule that did not hold
 *   npm run simulate -- --seed 7              one schedule, line by line
 *   npm run simulate -- --seeds 500 --from 1  a range
 *   npm run simulate -- --fault <name>        the same with a planted fault
 *   npm run simulate -- --faults              every planted fault, and how many schedules it took to see it
 *   npm run simulate -- --serializable        the store without old snapshots, in which some faults cannot show
 */
import { parseArgs } from 'node:util';
import { FAULTS } from './simulation/faults.ts';
import type { Fault } from './simulation/faults.ts';
import { simulate } from './simulation/simulate.ts';
import { countsTable, coverageTable, findFault, isFault, survey } from './simulation/survey.ts';
import type { SurveyOptions } from './simulation/survey.ts';

const SCHEDULES = 10_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: String(SCHEDULES) },
    from: { type: 'string', default: '1' },
    fault: { type: 'string', multiple: true, default: [] },
    faults: { type: 'boolean', default: false },
    serializable: { type: 'boolean', default: false },
  },
});
const faults = values.fault.map(faultNamed);
const shared = { isolation: values.serializable ? 'serializable' : 'read committed', faults } as const;
const range = { ...shared, from: Number(values.from), schedules: Number(values.seeds) };

if (values.seed !== undefined) replay(Number(values.seed));
else if (values.faults) showFaults(range);
else showSurvey(range);

function faultNamed(name: string): Fault {
  if (isFault(name)) return name;
  console.error(`Unknown fault "${name}". Known: ${FAULTS.join(', ')}.`);
  process.exit(1);
}

function replay(seed: number): void {
  const result = simulate({ ...shared, seed, trace: true });
  console.log(result.trace.join('\n'));
  console.log(`\nSeed ${seed}: ${result.violation ?? 'every rule held'} (${result.steps} steps, ${result.virtualMs} virtual ms)`);
  process.exitCode = result.violation === null ? 0 : 1;
}

function showSurvey(options: SurveyOptions): void {
  const startedMs = performance.now();
  const total = survey({
    ...options,
    onSchedule: (result, n) => {
      if (result.violation !== null) console.log(`Seed ${result.seed}: ${result.violation}\n  ${replayCommand(result.seed)}`);
      if (n % 1_000 === 0) process.stderr.write(`${n} schedules\r`);
    },
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log([...countsTable(total.counts), '', ...coverageTable(total.decisions), ''].join('\n'));
  const hours = (total.virtualMs / 3_600_000).toFixed(1);
  console.log(`${total.schedules} schedules, ${total.violations.length} broke a rule; ${hours} virtual hours in ${seconds.toFixed(1)} s`);
  process.exitCode = total.violations.length === 0 ? 0 : 1;
}

function showFaults(options: SurveyOptions): void {
  let missed = 0;
  for (const fault of FAULTS) {
    const { found, schedules } = findFault(fault, options);
    if (found === null) missed++;
    const [what = ''] = found === null ? [`not seen in ${schedules} schedules`] : found.violation.split('\n');
    console.log(`${fault.padEnd(24)} ${found === null ? '' : `seed ${found.seed}: `}${what}`);
  }
  console.log(`\n${FAULTS.length - missed} of ${FAULTS.length} planted faults seen`);
  process.exitCode = missed === 0 ? 0 : 1;
}

function replayCommand(seed: number): string {
  const flags = [...faults.map((fault) => `--fault ${fault}`), ...(values.serializable ? ['--serializable'] : [])];
  return ['npm run simulate -- --seed', seed, ...flags].join(' ');
}
