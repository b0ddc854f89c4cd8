import type { Command } from 'commander';
import type { Act } from '../cli.ts';
import { CommandError } from '../exit-codes.ts';

/** Secrets of sessions, and the keys that encrypt all of them. */
export function secretCommands(program: Command, act: Act): void {
  const secrets = program.command('secrets').description('what tools of a session may use and nobody may read back');
  secrets
    .command('list <session>')
    .description('the names of its secrets')
    .action(
      act(async ({ client, out }, id: string) => {
        const { data } = await client.api.get('/v1/sessions/{id}/storage/secrets', { params: { path: { id } } });
        out.table(
          data,
          [
            ['NAME', ({ name }) => name],
            ['UPDATED', ({ updated_at }) => updated_at],
          ],
          'The session has no secret.',
        );
      }),
    );
  secrets
    .command('set <session> <name>')
    .description('store a secret; its value is read from standard input, or asked for')
    .action(
      act(async ({ client, out, host }, id: string, name: string) => {
        const value = await host.ask(`${name}: `);
        if (value === null || value === '') throw new CommandError('A secret has a value.', 'usage');
        await client.api.put('/v1/sessions/{id}/storage/secrets', { params: { path: { id } }, body: { secrets: { [name]: value } } });
        out.note(`${name} is stored.`);
      }),
    );
  secrets
    .command('remove <session> <name>')
    .description('forget a secret')
    .action(
      act(async ({ client, out }, id: string, name: string) => {
        await client.api.delete('/v1/sessions/{id}/storage/secrets/{name}', { params: { path: { id, name } } });
        out.note(`${name} is forgotten.`);
      }),
    );
  secrets
    .command('rotate')
    .description(
      "wrap every organization's keys with the newest SECRETS_ENCRYPTION_KEY; runs on the server's machine, beside servers that work",
    )
    .option('--dry-run', 'only say what there is to do')
    .option('--batch-size <n>', 'keys in one transaction')
    .action(
      act(async ({ host }, { dryRun, batchSize }: { dryRun?: boolean; batchSize?: string }) => {
        const args = ['rotate', ...(dryRun === true ? ['--dry-run'] : []), ...(batchSize === undefined ? [] : ['--batch-size', batchSize])];
        const code = await host.runProgram('apps/server/src/secrets.main.ts', args);
        if (code !== 0) throw new CommandError('');
      }),
    );
}
