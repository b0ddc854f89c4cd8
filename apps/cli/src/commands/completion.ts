import type { Command } from 'commander';
import type { Act } from '../cli.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Scripts that make shells complete commands and options. */
export function completionCommand(program: Command, act: Act): void {
  program
    .command('completion <shell>')
    .description('a script that makes bash, zsh or fish complete commands: source <(everruns completion bash)')
    .action(
      act(async ({ host }, shell: string) => {
        if (!SHELLS.some((each) => each === shell)) program.error(`Known shells: ${SHELLS.join(', ')}.`, { exitCode: 2 });
        host.stdout.write(SCRIPTS[shell as Shell](wordsOf(program)));
      }),
    );
}

/** What can follow on `everruns`, and on `everruns <command>`. */
function wordsOf(program: Command): ReadonlyMap<string, readonly string[]> {
  const options = (command: Command): string[] => command.options.flatMap(({ long }) => (long === undefined ? [] : [long]));
  const words = new Map<string, readonly string[]>([['', [...program.commands.map((each) => each.name()), ...options(program)]]]);
  for (const command of program.commands) words.set(command.name(), [...command.commands.map((each) => each.name()), ...options(command)]);
  return words;
}

type Words = ReadonlyMap<string, readonly string[]>;

const SCRIPTS: Readonly<Record<Shell, (words: Words) => string>> = {
  bash: (words) => `_everruns() {
  local words
  case "\${COMP_WORDS[1]}" in
${cases(words)}
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="${(words.get('') ?? []).join(' ')}"
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _everruns everruns
`,
  zsh: (words) => `#compdef everruns
_everruns() {
  local words
  case "\${words[2]}" in
${cases(words)}
  esac
  (( CURRENT == 2 )) && words="${(words.get('') ?? []).join(' ')}"
  compadd -- \${=words}
}
compdef _everruns everruns
`,
  fish: (words) =>
    [...words]
      .flatMap(([command, list]) =>
        list
          .filter((word) => !word.startsWith('--'))
          .map((word) =>
            command === ''
              ? `complete -c everruns -n __fish_use_subcommand -f -a ${word}`
              : `complete -c everruns -n "__fish_seen_subcommand_from ${command}" -f -a ${word}`,
          ),
      )
      .join('\n')
      .concat('\n'),
};

function cases(words: Words): string {
  return [...words]
    .filter(([command]) => command !== '')
    .map(([command, list]) => `    ${command}) words="${list.join(' ')}" ;;`)
    .join('\n');
}
