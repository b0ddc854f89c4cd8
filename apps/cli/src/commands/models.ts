import type { components } from '@everruns/client';
import type { Command } from 'commander';
import type { Act } from '../cli.ts';
import { CommandError } from '../exit-codes.ts';

type Schemas = components['schemas'];

/** Providers with their keys, and the models that they give. */
export function modelCommands(program: Command, act: Act): void {
  const providers = program.command('providers').description('whose models are used, and with which key');
  providers
    .command('list')
    .description('all providers of the organization')
    .action(
      act(async ({ client, out }) => {
        const { data } = await client.api.get('/v1/providers');
        out.table(data, PROVIDER_COLUMNS, 'There is no provider yet: "everruns providers add" adds one.');
      }),
    );
  providers
    .command('add <name>')
    .description('add a provider; its key is read from standard input, or asked for')
    .requiredOption('-t, --type <type>', 'openai, openai_completions, anthropic, google or llmsim')
    .option('-u, --base-url <url>', 'for a model server of your own')
    .action(
      act(async ({ client, out, host }, name: string, options: { type: string; baseUrl?: string }) => {
        const key = options.type === 'llmsim' ? '' : ((await host.ask(`Key for ${name} (empty for none): `)) ?? '').trim();
        const body = {
          name,
          provider_type: options.type as Schemas['CreateProvider']['provider_type'],
          ...(options.baseUrl !== undefined && { base_url: options.baseUrl }),
          ...(key !== '' && { api_key: key }),
        };
        const provider = await client.api.post('/v1/providers', { body });
        out.show(provider, () => `${provider.name} is ${provider.id}. "everruns models sync ${provider.id}" finds its models.`);
      }),
    );
  providers
    .command('remove <id>')
    .description('remove a provider with its key')
    .action(
      act(async ({ client, out }, id: string) => {
        await client.api.delete('/v1/providers/{id}', { params: { path: { id } } });
        out.note(`${id} is removed.`);
      }),
    );
  const models = program.command('models').description('what agents think with');
  models
    .command('list')
    .description('all models that can be used')
    .action(
      act(async ({ client, out }) => {
        const { data } = await client.api.get('/v1/models', { params: { query: { limit: 100 } } } as never);
        out.table(data as Schemas['ModelWithProvider'][], MODEL_COLUMNS, 'There is no model yet: add a provider first.');
      }),
    );
  models
    .command('sync <provider>')
    .description('ask a provider what models it has')
    .action(
      act(async ({ client, out }, id: string) => {
        const found = await client.api.post('/v1/providers/{id}/sync-models', { params: { path: { id } } });
        out.show(found, () => JSON.stringify(found));
      }),
    );
  models
    .command('default <model>')
    .description('the model of whoever names none, in this organization')
    .action(
      act(async ({ client, out }, id: string) => {
        const [organization] = (await client.api.get('/v1/orgs')).data;
        if (organization === undefined) throw new CommandError('You are in no organization.', 'not_found');
        await client.api.patch('/v1/orgs/{id}', { params: { path: { id: organization.id } }, body: { default_model_id: id } });
        out.note(`${id} is the default of ${organization.name}.`);
      }),
    );
}

const PROVIDER_COLUMNS = [
  ['ID', (provider: Schemas['Provider']) => provider.id],
  ['NAME', (provider: Schemas['Provider']) => provider.name],
  ['TYPE', (provider: Schemas['Provider']) => provider.provider_type],
  ['KEY', (provider: Schemas['Provider']) => (provider.api_key_set ? 'set' : '')],
] as const;

const MODEL_COLUMNS = [
  ['ID', (model: Schemas['ModelWithProvider']) => model.id],
  ['MODEL', (model: Schemas['ModelWithProvider']) => model.model_id],
  ['PROVIDER', (model: Schemas['ModelWithProvider']) => model.provider_name],
  ['STATE', (model: Schemas['ModelWithProvider']) => (model.enabled ? (model.healthy ? '' : 'no key, or not reachable') : 'off')],
] as const;
