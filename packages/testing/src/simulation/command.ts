import { parseArgs } from 'node:util';
import { FAULTS } from './faults.ts';
import type { Fault } from './faults.ts';
import type { Isolation } from './store/store.ts';
import { isFault } from './survey.ts';

export const USAGE = `npm run simulate -- [options]: the engine under seeded schedules, in virtual time. Every seed can be replayed.

  (none)            10,000 schedules, what they covered, and any rule that did not hold
  --seeds <n>       so many schedules
  --from <seed>     from this seed on (default 1)
  --seed <seed>     one schedule, line by line
  --fault <name>    with a planted fault; may be repeated
  --faults          every planted fault, and the first schedule that shows it
  --serializable    the store without old snapshots, in which some faults cannot show
  --help            this text

Faults: ${FAULTS.join(', ')}

Exit code 0: every rule held, or every planted fault was seen. 1: not, or the options are wrong.`;

export interface Command {
  what: 'help' | 'replay' | 'faults' | 'survey';
  seed: number;
  from: number;
  schedules: number;
  faults: Fault[];
  isolation: Isolation;
}

/** The options are wrong; the message is one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reads the command line; throws `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const values = parsed(args);
  const what = values.help ? 'help' : values.seed !== undefined ? 'replay' : values.faults ? 'faults' : 'survey';
  return {
    what,
    seed: whole('--seed', values.seed ?? '0', 0),
    from: whole('--from', values.from, 0),
    schedules: whole('--seeds', values.seeds, 1),
    faults: values.fault.map(faultNamed),
    isolation: values.serializable ? 'serializable' : 'read committed',
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        seeds: { type: 'string', default: '10000' },
        from: { type: 'string', default: '1' },
        fault: { type: 'string', multiple: true, default: [] },
        faults: { type: 'boolean', default: false },
        serializable: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    const [first = ''] = (error as Error).message.split(/\.\s|\n/);
    throw new UsageError(`${first.replace(/\.$/, '')}. Try --help.`, { cause: error });
  }
}

function whole(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError(`${option} needs a whole number of at least ${least}, not "${text}". Try --help.`);
}

function faultNamed(name: string): Fault {
  if (isFault(name)) return name;
  throw new UsageError(`There is no fault "${name}". Try --help.`);
}
