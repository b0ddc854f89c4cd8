import type { Command } from 'commander';
import type { Act } from '../cli.ts';
import { fields } from '../output.ts';

/** What operators look at. */
export function durableCommands(program: Command, act: Act): void {
  const durable = program.command('durable').description('the engine: workers, tasks, dead letters (for operators)');
  durable
    .command('health')
    .description('figures of the installation')
    .action(
      act(async ({ client, out }) => {
        const health = await client.api.get('/v1/durable/health');
        out.show(health, () => fields({ ...health }));
      }),
    );
  durable
    .command('workers')
    .description('who runs the steps of turns')
    .action(
      act(async ({ client, out }) => {
        const { data } = await client.api.get('/v1/durable/workers');
        out.table(
          data,
          [
            ['ID', ({ id }) => id],
            ['STATUS', ({ status }) => status],
            ['LOAD', ({ current_load, max_concurrency }) => `${current_load}/${max_concurrency}`],
            ['HOST', ({ hostname }) => hostname],
            ['DONE', ({ tasks_completed }) => tasks_completed],
            ['LAST SEEN', ({ last_heartbeat_at }) => last_heartbeat_at],
          ],
          'No worker is attached: "everruns worker" starts one.',
        );
      }),
    );
  durable
    .command('dlq')
    .description('tasks that were given up')
    .action(
      act(async ({ client, out }) => {
        const { data } = await client.api.get('/v1/durable/dlq');
        out.table(
          data,
          [
            ['ID', ({ id }) => id],
            ['TYPE', ({ activity_type }) => activity_type],
            ['ATTEMPTS', ({ attempts }) => attempts],
            ['DEAD SINCE', ({ dead_at }) => dead_at],
            ['LAST ERROR', ({ last_error }) => last_error],
          ],
          'There is no dead letter.',
        );
      }),
    );
  durable
    .command('requeue <id>')
    .description('try a dead letter again')
    .action(
      act(async ({ client, out }, id: string) => {
        const task = (await client.api.post('/v1/durable/dlq/{id}/retry', { params: { path: { id } }, parseAs: 'text' })) as string;
        out.show({ task_id: task }, () => `It runs again as ${task}.`);
      }),
    );
}
