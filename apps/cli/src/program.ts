import { createClient } from '@everruns/client';
import { Command, CommanderError, Option } from 'commander';
import type { Act, Host, Session } from './cli.ts';
import { accountCommands } from './commands/account.ts';
import { chatCommand } from './commands/chat.ts';
import { completionCommand } from './commands/completion.ts';
import { doctorCommand } from './commands/doctor.ts';
import { durableCommands } from './commands/durable.ts';
import { eventsCommand } from './commands/events.ts';
import { fileCommands } from './commands/files.ts';
import { modelCommands } from './commands/models.ts';
import { processCommands } from './commands/processes.ts';
import { resourceCommands } from './commands/resources.ts';
import { secretCommands } from './commands/secrets.ts';
import { sessionCommands } from './commands/sessions.ts';
import { credentialsPath, loadCredentials } from './credentials.ts';
import { CommandError, EXIT_CODES, exitOf, sentenceOf } from './exit-codes.ts';
import { createOutput } from './output.ts';

const DEFAULT_API = 'http://127.0.0.1:9301/api';

interface GlobalOptions {
  json?: boolean;
  quiet?: boolean;
  profile?: string;
  apiUrl?: string;
  apiKey?: string;
  org?: string;
}

/** Runs one command line; resolves with the exit code. */
export async function run(args: readonly string[], host: Host): Promise<number> {
  const state = { baseUrl: DEFAULT_API };
  const program = createProgram(host, state);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return EXIT_CODES.done.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.done.code : EXIT_CODES.usage.code;
    if (!(error instanceof CommandError && error.message === '')) host.stderr.write(`${sentenceOf(error, state.baseUrl)}\n`);
    return EXIT_CODES[exitOf(error)].code;
  }
}

/** The whole command line. */
export function createProgram(host: Host, state: { baseUrl: string }): Command {
  const program = new Command('everruns')
    .description('Agents that run durably: talk to them, look into them, run them.')
    .version(host.version)
    .addOption(new Option('--json', 'print JSON and nothing else on standard output; streams print one document a line'))
    .addOption(new Option('-q, --quiet', 'print ids only, and no notes'))
    .addOption(new Option('--profile <name>', 'which of the stored credentials to use'))
    .addOption(new Option('--api-url <url>', `where the API is (EVERRUNS_API_URL; default ${DEFAULT_API})`))
    .addOption(new Option('--api-key <token>', 'a personal access token (EVERRUNS_API_KEY)'))
    .addOption(new Option('--org <id>', 'the organization to work in (EVERRUNS_ORG_ID)'))
    .addHelpText('after', `\nExit codes:\n${exitCodes()}`)
    .showHelpAfterError('(--help tells more)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => host.stdout.write(text), writeErr: (text) => host.stderr.write(text) });
  const act: Act =
    (run) =>
    async (...args) => {
      const session = await sessionOf(host, program.opts<GlobalOptions>());
      state.baseUrl = session.baseUrl;
      await run(session, ...args);
    };
  accountCommands(program, act);
  resourceCommands(program, act);
  sessionCommands(program, act);
  chatCommand(program, act);
  eventsCommand(program, act);
  fileCommands(program, act);
  modelCommands(program, act);
  secretCommands(program, act);
  durableCommands(program, act);
  processCommands(program, act);
  doctorCommand(program, act);
  completionCommand(program, act);
  inherit(program);
  return program;
}

/** What goes wrong in a command's own command must not end the process either. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inherit(command);
  }
}

function exitCodes(): string {
  return Object.values(EXIT_CODES)
    .map(({ code, about }) => `  ${String(code).padEnd(4)} ${about}`)
    .join('\n');
}

/** Flags come first, then the environment, then what is stored. */
async function sessionOf(host: Host, options: GlobalOptions): Promise<Session> {
  const path = credentialsPath(host.env);
  const credentials = await loadCredentials(path, options.profile);
  const { profile } = credentials;
  const baseUrl = options.apiUrl ?? host.env['EVERRUNS_API_URL'] ?? profile.api_url ?? DEFAULT_API;
  const token = options.apiKey ?? host.env['EVERRUNS_API_KEY'] ?? profile.api_key;
  const organization = options.org ?? host.env['EVERRUNS_ORG_ID'] ?? profile.org_id;
  return {
    host,
    out: createOutput(host.stdout, host.stderr, { json: options.json === true, quiet: options.quiet === true }),
    client: createClient({
      baseUrl,
      fetch: host.fetch,
      ...(token !== undefined && { token }),
      ...(organization !== undefined && { organization }),
    }),
    baseUrl: baseUrl.replace(/\/+$/, ''),
    credentials,
    credentialsPath: path,
    token,
  };
}
