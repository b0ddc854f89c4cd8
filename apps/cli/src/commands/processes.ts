import type { Command } from 'commander';
import type { Act } from '../cli.ts';
import { CommandError } from '../exit-codes.ts';

const PROGRAMS = [
  ['up', 'apps/everruns/src/main.ts', 'the whole product on this machine, with a database of its own (what npm start runs)'],
  ['server', 'apps/server/src/main.ts', 'one control plane; its settings are environment variables'],
  ['worker', 'apps/everruns/src/worker-command.ts', 'one more worker for the product on this machine'],
] as const;

/** The processes of the product, in the foreground. */
export function processCommands(program: Command, act: Act): void {
  for (const [name, entry, about] of PROGRAMS) {
    program
      .command(name)
      .description(about)
      .action(
        act(async ({ host }) => {
          const code = await host.runProgram(entry, []);
          if (code !== 0) throw new CommandError('');
        }),
      );
  }
}
