import { readFile } from 'node:fs/promises';
import type { components } from '@everruns/client';
import type { Command } from 'commander';
import type { Act } from '../cli.ts';
import { CommandError } from '../exit-codes.ts';
import { fields } from '../output.ts';

type Schemas = components['schemas'];

/** Agents and harnesses: what sessions are made of. */
export function resourceCommands(program: Command, act: Act): void {
  agentCommands(program, act);
  harnessCommands(program, act);
  mcpCommands(program, act);
}

function agentCommands(program: Command, act: Act): void {
  const agents = program.command('agents').description('prompts with capabilities');
  agents
    .command('list')
    .description('all agents of the organization')
    .option('-s, --search <text>', 'only those with these words')
    .action(
      act(async ({ client, out }, { search }: { search?: string }) => {
        const { data } = await client.api.get('/v1/agents', { params: { query: { limit: 100, ...(search !== undefined && { search }) } } });
        out.table(data, AGENT_COLUMNS, 'There is no agent yet: "everruns agents create --name ... --prompt ..." makes one.');
      }),
    );
  agents
    .command('get <agent>')
    .description('one agent, by id or name')
    .action(
      act(async ({ client, out }, id_or_name: string) => {
        const agent = await client.api.get('/v1/agents/{id_or_name}', { params: { path: { id_or_name } } });
        out.show(agent, () => describeAgent(agent));
      }),
    );
  agents
    .command('create')
    .description('make an agent, or change the one of that name')
    .option('-f, --file <path>', 'from a document: Markdown with front matter, YAML or JSON')
    .option('-n, --name <name>', 'letters, digits and hyphens')
    .option('-p, --prompt <text>', 'its system prompt')
    .option('-d, --description <text>')
    .option('-c, --capability <ref...>', 'capabilities, such as session_file_system')
    .option('-H, --harness <name>', 'what it is built on')
    .action(
      act(async ({ client, out }, options: NewAgent) => {
        const agent = await (options.file === undefined
          ? client.api.post('/v1/agents', { body: agentOf(options) })
          : importAgent(client, options.file));
        out.show(agent, () => `${agent.name} is ${agent.id}.`);
      }),
    );
  agents
    .command('delete <agent>')
    .description('archive an agent: it is kept, and hidden')
    .action(
      act(async ({ client, out }, id_or_name: string) => {
        await client.api.delete('/v1/agents/{id_or_name}', { params: { path: { id_or_name } } });
        out.note(`${id_or_name} is archived.`);
      }),
    );
  agents
    .command('export <agent>')
    .description('an agent as a document that "create --file" takes')
    .action(
      act(async ({ client, out }, id_or_name: string) => {
        const text = (await client.api.get('/v1/agents/{id_or_name}/export', {
          params: { path: { id_or_name } },
          parseAs: 'text',
        })) as string;
        out.show({ document: text }, () => text.trimEnd());
      }),
    );
}

const AGENT_COLUMNS = [
  ['ID', (agent: Schemas['Agent']) => agent.id],
  ['NAME', (agent: Schemas['Agent']) => agent.name],
  ['DESCRIPTION', (agent: Schemas['Agent']) => agent.description],
] as const;

interface NewAgent {
  file?: string;
  name?: string;
  prompt?: string;
  description?: string;
  capability?: string[];
  harness?: string;
}

function agentOf({ name, prompt, description, capability = [], harness }: NewAgent): Schemas['CreateAgent'] {
  if (name === undefined || prompt === undefined) throw new CommandError('Give either --file, or --name and --prompt.', 'usage');
  return {
    name,
    system_prompt: prompt,
    ...(description !== undefined && { description }),
    ...(capability.length > 0 && { capabilities: capability.map((ref) => ({ ref })) }),
    ...(harness !== undefined && { harness_name: harness }),
  };
}

async function importAgent(client: Parameters<Parameters<Act>[0]>[0]['client'], path: string): Promise<Schemas['Agent']> {
  const body = await readFile(path, 'utf8');
  return client.api.post('/v1/agents/import', {
    body,
    bodySerializer: (text: string) => text,
    headers: { 'content-type': 'text/plain' },
  } as never) as Promise<Schemas['Agent']>;
}

function describeAgent(agent: Schemas['Agent']): string {
  const { id, name, description, status, created_at, updated_at } = agent;
  const capabilities = (agent.capabilities ?? []).map(({ ref }) => ref).join(', ');
  return `${fields({ id, name, description, status, capabilities, created_at, updated_at })}\n\n${agent.system_prompt}`;
}

function harnessCommands(program: Command, act: Act): void {
  const harnesses = program.command('harnesses').description('what agents are built on');
  harnesses
    .command('list')
    .description('all harnesses of the organization')
    .action(
      act(async ({ client, out }) => {
        const { data } = await client.api.get('/v1/harnesses');
        out.table(
          data,
          [
            ['ID', ({ id }) => id],
            ['NAME', ({ name }) => name],
            ['BUILT IN', ({ is_built_in }) => (is_built_in === true ? 'yes' : '')],
            ['DESCRIPTION', ({ description }) => description],
          ],
          'There is no harness.',
        );
      }),
    );
  harnesses
    .command('get <harness>')
    .description('one harness, by id or name')
    .action(
      act(async ({ client, out }, id_or_name: string) => {
        const harness = await client.api.get('/v1/harnesses/{id_or_name}', { params: { path: { id_or_name } } });
        out.show(harness, () => fields({ ...harness }));
      }),
    );
}

function mcpCommands(program: Command, act: Act): void {
  const servers = program.command('mcp').description('MCP servers that give agents tools');
  servers
    .command('list')
    .description('all MCP servers of the organization')
    .action(
      act(async ({ client, out }) => {
        const { data } = await client.api.get('/v1/mcp-servers');
        out.table(
          data,
          [
            ['ID', ({ id }) => id],
            ['NAME', ({ name }) => name],
            ['STATUS', ({ status }) => status],
            ['URL', ({ url }) => url],
          ],
          'There is no MCP server yet: "everruns mcp add <name> <url>" adds one.',
        );
      }),
    );
  servers
    .command('add <name> <url>')
    .description('add a server; its tools come with the capability mcp:<id>')
    .option('-k, --key <key>', 'its API key; it is stored encrypted')
    .action(
      act(async ({ client, out }, name: string, url: string, { key }: { key?: string }) => {
        const server = await client.api.post('/v1/mcp-servers', { body: { name, url, ...(key !== undefined && { api_key: key }) } });
        out.show(server, () => `${server.name} is ${server.id}: give an agent the capability mcp:${server.id}.`);
      }),
    );
  servers
    .command('remove <id>')
    .description('archive a server: agents that name it are told')
    .action(
      act(async ({ client, out }, id: string) => {
        await client.api.delete('/v1/mcp-servers/{id}', { params: { path: { id } } });
        out.note(`${id} is archived.`);
      }),
    );
}
