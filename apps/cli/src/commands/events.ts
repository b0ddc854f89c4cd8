import type { EventOptions, SessionEvent } from '@everruns/client';
import type { Command } from 'commander';
import type { Act } from '../cli.ts';
import { cellText } from '../output.ts';

interface Options {
  follow?: boolean;
  type?: string[];
  exclude?: string[];
  after?: string;
}

/** The log of a session. */
export function eventsCommand(program: Command, act: Act): void {
  program
    .command('events <session>')
    .description('what has happened in a session, from the beginning')
    .option('-f, --follow', 'go on with what happens from now on')
    .option('-t, --type <type...>', 'only these')
    .option('-x, --exclude <type...>', 'all but these')
    .option('--after <sequence>', 'only what came after', '0')
    .action(
      act(async ({ client, out, host }, id: string, { follow, type = [], exclude = [], after = '0' }: Options) => {
        const abort = new AbortController();
        const stop = host.onInterrupt(() => abort.abort());
        const options = { after: Number(after), types: type, exclude, signal: abort.signal } as EventOptions;
        const show = (event: SessionEvent): void => host.stdout.write(`${out.isJson ? JSON.stringify(event) : lineOf(event)}\n`);
        try {
          if (follow === true) for await (const event of client.events(id, options)) show(event);
          else await listAll(async (from) => listPage(client, id, { ...options, after: from }), Number(after), show);
        } catch (error) {
          if (!abort.signal.aborted) throw error;
        } finally {
          stop();
        }
      }),
    );
}

const PAGE = 1_000;

async function listAll(page: (after: number) => Promise<SessionEvent[]>, from: number, show: (event: SessionEvent) => void): Promise<void> {
  for (let after = from; ;) {
    const events = await page(after);
    for (const event of events) show(event);
    const last = events.at(-1)?.sequence;
    if (events.length < PAGE || last === undefined) return;
    after = last;
  }
}

async function listPage(
  client: Parameters<Parameters<Act>[0]>[0]['client'],
  id: string,
  { after, types, exclude }: EventOptions,
): Promise<SessionEvent[]> {
  const query = { after_sequence: Number(after), limit: PAGE, types: [...(types ?? [])], exclude: [...(exclude ?? [])] };
  const { data } = await client.api.get('/v1/sessions/{id}/events', { params: { path: { id }, query } });
  return data as unknown as SessionEvent[];
}

/** `17  12:04:05.123  tool.completed  ...` */
function lineOf({ sequence, ts, type, data }: SessionEvent): string {
  return `${String(sequence ?? '·').padStart(6)}  ${ts.slice(11, 23)}  ${type.padEnd(26)}  ${cellText(data).slice(0, 200)}`;
}
