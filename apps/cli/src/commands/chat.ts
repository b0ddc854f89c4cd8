import type { EventData, EventType, SessionEvent, TextUpdate, TurnOptions, TurnResult } from '@everruns/client';
import type { Command } from 'commander';
import type { Act, Session } from '../cli.ts';
import { CommandError } from '../exit-codes.ts';
import { printable } from '../output.ts';
import { createSession } from './sessions.ts';
import type { NewSession } from './sessions.ts';

interface ChatOptions extends NewSession {
  session?: string;
  yes?: boolean;
  thinking?: boolean;
}

/** Talk to an agent: one message, or a conversation. */
export function chatCommand(program: Command, act: Act): void {
  program
    .command('chat [message...]')
    .description('talk to an agent; without a message you are asked for one after the other')
    .option('-s, --session <id>', 'go on with this session')
    .option('-a, --agent <agent>', 'begin with this agent, by id or name')
    .option('-H, --harness <name>', 'begin with this harness')
    .option('-m, --model <id>', 'begin with this model')
    .option('-t, --title <title>', 'title of the session')
    .option('-y, --yes', 'allow every call that asks for approval')
    .option('--thinking', 'show what the model thinks')
    .addHelpText(
      'after',
      '\nCtrl-C cancels the running turn; once more ends the command. An empty line or Ctrl-D ends a conversation,\nand a line that ends with a backslash goes on in the next one.',
    )
    .action(
      act(async (session: Session, words: string[], options: ChatOptions) => {
        const id = options.session ?? (await createSession(session, options)).id;
        if (options.session === undefined) session.out.note(session.out.dim(id));
        if (words.length > 0) return endWith(await talk(session, { id, message: words.join(' '), options }));
        await converse(session, id, options);
      }),
    );
}

async function converse(session: Session, id: string, options: ChatOptions): Promise<void> {
  for (;;) {
    const message = await typed(session);
    if (message === null || message.trim() === '') return;
    const turn = await talk(session, { id, message, options });
    if (turn.status !== 'completed') session.out.note(endOf(turn));
  }
}

/** A line, and those after it for as long as they end with a backslash. */
async function typed({ host, out }: Session): Promise<string | null> {
  let text = await host.ask(out.bold('> '));
  while (text?.endsWith('\\') === true) {
    const next = await host.ask(out.bold('… '));
    text = `${text.slice(0, -1)}\n${next ?? ''}`;
  }
  return text;
}

function endWith(turn: TurnResult): void {
  if (turn.status !== 'completed') throw new CommandError(endOf(turn), turn.status === 'cancelled' ? 'interrupted' : 'turn_failed');
}

function endOf({ status, end }: TurnResult): string {
  const reason = 'error' in end ? end.error : 'reason' in end ? end.reason : undefined;
  return `The turn was ${status}${reason === undefined ? '' : `: ${printable(reason)}`}.`
    .replace('..', '.')
    .replace('was failed', 'failed')
    .replace('was completed', 'completed');
}

interface Talk {
  id: string;
  message: string;
  options: ChatOptions;
}

/** One message and its turn. The first Ctrl-C cancels the turn, the next one ends the command. */
async function talk(session: Session, { id, message, options }: Talk): Promise<TurnResult> {
  const { client, host, out } = session;
  const abort = new AbortController();
  let isCancelling = false;
  const stopListening = host.onInterrupt(() => {
    if (isCancelling) return abort.abort(new CommandError('The turn goes on without you.', 'interrupted'));
    isCancelling = true;
    out.note(out.dim('\nCancelling; Ctrl-C again leaves at once.'));
    client.cancel(id).catch((error: unknown) => abort.abort(error));
  });
  try {
    const view = viewOf(session, options);
    const turn = await client.runTurn(id, message, { ...view.options, signal: abort.signal });
    view.end();
    return turn;
  } finally {
    stopListening();
  }
}

interface View {
  options: TurnOptions;
  end(): void;
}

/** With `--json` every event is a line; else text as it comes, and a line for what tools do. */
function viewOf(session: Session, { yes = false, thinking = false }: ChatOptions): View {
  const { out, host } = session;
  const approve = approval(session, yes);
  if (out.isJson) {
    return { options: { approve, onEvent: (event) => host.stdout.write(`${JSON.stringify(event)}\n`) }, end: () => undefined };
  }
  const text = new Lines((piece) => out.stream(piece));
  return {
    options: {
      approve,
      onText: (update) => text.add(update),
      ...(thinking && { onThinking: (update) => out.note(out.dim(printable(update.delta))) }),
      onEvent: (event) => {
        const line = activity(event);
        if (line === null) return;
        text.breakOff();
        out.note(out.dim(line));
      },
    },
    end: () => text.breakOff(),
  };
}

/** Text that comes in pieces, and again from the start when a step begins anew. */
class Lines {
  readonly #write: (text: string) => void;
  #messageId: string | undefined;
  #shown = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  add({ messageId, text }: TextUpdate): void {
    if (messageId !== this.#messageId || !text.startsWith(this.#shown)) this.breakOff();
    this.#messageId = messageId;
    this.#write(printable(text.slice(this.#shown.length)));
    this.#shown = text;
  }

  /** What comes next begins a line. */
  breakOff(): void {
    if (this.#shown !== '' && !this.#shown.endsWith('\n')) this.#write('\n');
    this.#shown = '';
  }
}

type Describe = { [T in EventType]?: (data: EventData<T>) => string | null };

const waiting = ({ message }: EventData<'budget.paused'>): string => `· ${printable(message ?? 'waiting for the budget')}`;

const ACTIVITY: Describe = {
  'tool.started': ({ narration, display_name, tool_call }) => `· ${printable(narration ?? display_name ?? tool_call.name)}`,
  'tool.completed': ({ success, tool_name, error, status }) =>
    success ? null : `  ${printable(tool_name)}: ${printable(error ?? status)}`,
  'tool.progress': ({ message }) => `  ${printable(message)}`,
  'tool.call_requested': ({ tool_calls }) => `· waiting for ${tool_calls.map(({ name }) => printable(name)).join(', ')}`,
  'reason.recovered': () => '· the step begins again',
  'budget.exhausted': waiting,
  'budget.paused': waiting,
  'context.compacted': () => '· the conversation was summarized',
};

/** What a person wants to know of an event, in a line; null: nothing. */
function activity({ type, data }: SessionEvent): string | null {
  return (ACTIVITY[type] as ((data: unknown) => string | null) | undefined)?.(data) ?? null;
}

type ApprovalCall = EventData<'tool.approval_requested'>['tool_summaries'][number];

function approval({ host, out }: Session, yes: boolean): (call: ApprovalCall) => Promise<'allow' | 'allow_always' | 'reject'> {
  return async (call) => {
    const what = printable(call.narration ?? call.display_name ?? call.name);
    if (yes) return 'allow';
    const answer = await host.ask(
      `${out.bold(what)}${call.reason === undefined ? '' : ` (${printable(call.reason)})`} [y]es, [a]lways, [N]o: `,
    );
    const letter = answer?.trim().toLowerCase().at(0);
    return letter === 'y' ? 'allow' : letter === 'a' ? 'allow_always' : 'reject';
  };
}
