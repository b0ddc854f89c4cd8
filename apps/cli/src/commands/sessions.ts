import type { components } from '@everruns/client';
import type { Command } from 'commander';
import type { Act, Session } from '../cli.ts';
import { fields } from '../output.ts';

type Schemas = components['schemas'];

/** Conversations with agents. */
export function sessionCommands(program: Command, act: Act): void {
  const sessions = program.command('sessions').description('conversations with agents');
  sessions
    .command('list')
    .description('the newest sessions')
    .option('-s, --search <text>', 'only those with these words in the title')
    .option('-a, --agent <id>', 'only those of this agent')
    .option('-l, --limit <n>', 'how many', '20')
    .action(
      act(async ({ client, out }, { search, agent, limit }: { search?: string; agent?: string; limit: string }) => {
        const query = { limit: Number(limit), ...(search !== undefined && { search }), ...(agent !== undefined && { agent_id: agent }) };
        const { data } = await client.api.get('/v1/sessions', { params: { query } });
        out.table(data, COLUMNS, 'There is no session yet: "everruns chat" begins one.');
      }),
    );
  sessions
    .command('create')
    .description('begin a session')
    .option('-a, --agent <agent>', 'id or name')
    .option('-H, --harness <name>')
    .option('-m, --model <id>')
    .option('-t, --title <title>')
    .action(
      act(async (session, options: NewSession) => {
        const made = await createSession(session, options);
        session.out.show(made, () => made.id);
      }),
    );
  sessions
    .command('get <session>')
    .description('one session')
    .action(
      act(async ({ client, out }, id: string) => {
        const session = await client.api.get('/v1/sessions/{id}', { params: { path: { id } } });
        out.show(session, () => describe(session));
      }),
    );
  sessions
    .command('cancel <session>')
    .description('end the running turn')
    .action(
      act(async ({ client, out }, id: string) => {
        await client.cancel(id);
        out.note('The running turn is asked to end.');
      }),
    );
  sessions
    .command('delete <session>')
    .description('delete a session with all that it holds')
    .action(
      act(async ({ client, out }, id: string) => {
        await client.api.delete('/v1/sessions/{id}', { params: { path: { id } } });
        out.note(`${id} is deleted.`);
      }),
    );
  sessions
    .command('export <session>')
    .description('the whole conversation, one JSON document a line')
    .action(
      act(async ({ client, out }, id: string) => {
        const text = (await client.api.get('/v1/sessions/{id}/export', { params: { path: { id } }, parseAs: 'text' })) as string;
        out.show({ export: text }, () => text.trimEnd());
      }),
    );
}

const COLUMNS = [
  ['ID', (session: Schemas['Session']) => session.id],
  ['STATUS', (session: Schemas['Session']) => session.status],
  ['UPDATED', (session: Schemas['Session']) => session.updated_at.replace('T', ' ').slice(0, 19)],
  ['TITLE', (session: Schemas['Session']) => session.title],
] as const;

export interface NewSession {
  agent?: string;
  harness?: string;
  model?: string;
  title?: string;
}

export async function createSession({ client }: Session, { agent, harness, model, title }: NewSession): Promise<Schemas['Session']> {
  const byId = agent?.startsWith('agent_') === true;
  return client.api.post('/v1/sessions', {
    body: {
      ...(agent !== undefined && (byId ? { agent_id: agent } : { agent_name: agent })),
      ...(harness !== undefined && { harness_name: harness }),
      ...(model !== undefined && { model_id: model }),
      ...(title !== undefined && { title }),
    },
  });
}

function describe(session: Schemas['Session']): string {
  const { id, title, status, agent_id, harness_id, model_id, created_at, updated_at } = session;
  return fields({ id, title, status, agent: agent_id, harness: harness_id, model: model_id, created: created_at, updated: updated_at });
}
