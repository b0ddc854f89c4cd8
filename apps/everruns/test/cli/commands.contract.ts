import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compose } from '../conversations/composition.ts';
import type { Composition } from '../conversations/composition.ts';
import { everruns } from './host.ts';
import type { HostOptions, Ran } from './host.ts';

let composition: Composition;
let home: string;
let model: string;

beforeAll(async () => {
  composition = await compose();
  const provider = await composition.api.call('POST', '/v1/providers', { name: 'scripted', provider_type: 'llmsim' });
  const spec = { model_id: 'llmsim-script', display_name: 'Scripted' };
  model = (await composition.api.call('POST', `/v1/providers/${provider.body['id'] as string}/models`, spec)).body['id'] as string;
});
afterAll(() => composition.close());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'everruns-cli-'));
  return () => rm(home, { recursive: true });
});

const cli = (args: string[], options: Partial<HostOptions> = {}): Promise<Ran> =>
  everruns(args, { cwd: home, ...options, env: { HOME: home, EVERRUNS_API_URL: composition.api.url, ...options.env } });
const json = async (...args: string[]): Promise<Record<string, unknown>> => {
  const { code, stdout, stderr } = await cli([...args, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Record<string, unknown>;
};
const newSession = async (...args: string[]): Promise<string> => (await json('sessions', 'create', '-m', model, ...args))['id'] as string;
const script = (...turns: object[]): string => `Please.\n\`\`\`llmsim\n${JSON.stringify({ turns })}\n\`\`\``;

describe('agents', () => {
  it('are made, listed, shown, exported, made again from a document, and archived', async () => {
    expect((await cli(['agents', 'create', '-n', 'clerk', '-p', 'You file.', '-c', 'session_file_system'])).stdout).toMatch(
      /^clerk is agent_/,
    );
    expect((await cli(['agents', 'list', '-s', 'clerk'])).stdout).toMatch(/^ID +NAME +DESCRIPTION\nagent_\w+ +clerk/);
    expect((await cli(['agents', 'get', 'clerk'])).stdout).toMatch(/session_file_system[^]*You file\./);
    const document = (await cli(['agents', 'export', 'clerk'])).stdout;
    await writeFile(join(home, 'clerk.md'), document.replace('You file.', 'You file well.'));
    await cli(['agents', 'create', '-f', join(home, 'clerk.md')]);
    expect((await json('agents', 'get', 'clerk'))['system_prompt']).toBe('You file well.');
    expect((await cli(['agents', 'delete', 'clerk'])).stderr).toBe('clerk is archived.\n');
    expect((await cli(['agents', 'list', '-s', 'clerk'])).stderr).toMatch(/no agent yet/);
  });
});

describe('chat', () => {
  it('prints what the agent says, and only that, on standard output', async () => {
    const { code, stdout, stderr } = await cli(['chat', '-m', model, script({ text: 'Hello to you.' })]);
    expect([code, stdout]).toEqual([0, 'Hello to you.\n']);
    expect(stderr).toMatch(/^session_/);
  });

  it('tells what tools do, and asks before what has to be approved', async () => {
    await cli(['agents', 'create', '-n', 'careful', '-p', 'x', '-c', 'session_storage', 'tool_approval']);
    await composition.api.call('PATCH', '/v1/agents/careful', {
      capabilities: [{ ref: 'session_storage' }, { ref: 'tool_approval', config: { mode: 'all' } }],
    });
    const call = { tool_calls: [{ name: 'kv_store', arguments: { operation: 'set', key: 'a', value: '1' } }] };
    const allowed = await cli(['chat', '-a', 'careful', '-m', model, script(call, { text: 'Set.' })], { lines: ['y'] });
    expect(allowed.asked[0]).toContain('[y]es, [a]lways, [N]o');
    expect([allowed.code, allowed.stdout, allowed.stderr]).toEqual([0, 'Set.\n', expect.stringContaining('· ')]);
    const refused = await cli(['chat', '-a', 'careful', '-m', model, script(call, { text: 'Not set.' })], { lines: [''] });
    expect(refused.stdout).toBe('Not set.\n');
  });

  it('goes on with a session, message by message, until there is none', async () => {
    const { stdout, code } = await cli(['chat', '-m', model], {
      lines: [script({ text: 'One.' }), script({ text: 'Two.' }), ''],
    });
    expect([code, stdout]).toEqual([0, 'One.\nTwo.\n']);
  });

  it('cancels the turn at the first Ctrl-C', async () => {
    const words = Array.from({ length: 200 }, (_, n) => `w${n}`).join(' ');
    let press: () => void = () => undefined;
    let isPressed = false;
    const { code, stderr } = await cli(['chat', '-m', model, script({ text: words, chunk_delay_ms: 30 })], {
      onInterrupt: (act) => (press = act),
      onOutput: (text) => {
        if (isPressed || !text.includes('w0')) return;
        isPressed = true;
        press();
      },
    });
    expect(code).toBe(130);
    expect(stderr).toContain('The turn was cancelled');
  });

  it('prints every event with --json', async () => {
    const { stdout } = await cli(['chat', '-m', model, script({ text: 'Hi.' }), '--json']);
    const types = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect([types[0], types.at(-1)]).toEqual(['input.message', 'turn.completed']);
  });

  it('says by its exit code that a turn failed', async () => {
    const turn = { error: { status: 400, message: 'No.' } };
    const { code, stderr } = await cli(['chat', '-m', model, script(turn)]);
    expect([code, stderr]).toEqual([8, expect.stringContaining('The turn failed')]);
  });
});

it('events are listed from the beginning, and followed until Ctrl-C', async () => {
  const id = await newSession();
  await cli(['chat', '-s', id, script({ text: 'x' })]);
  const listed = (await cli(['events', id, '--json'])).stdout.trim().split('\n');
  expect((JSON.parse(listed[0] ?? '') as { type: string }).type).toBe('session.started');
  expect((await cli(['events', id, '-t', 'turn.completed'])).stdout.trim().split('\n')).toHaveLength(1);
  let press: () => void = () => undefined;
  const followed = await cli(['events', id, '-f'], {
    onInterrupt: (act) => (press = act),
    onOutput: (text) => {
      if (text.includes('session.idled')) press();
    },
  });
  expect([followed.code, followed.stdout.trim().split('\n').length]).toEqual([0, listed.length]);
});

describe('files', () => {
  it('are put, listed, printed and removed', async () => {
    const id = await newSession();
    await writeFile(join(home, 'a.bin'), Buffer.from([0, 255, 10]));
    await cli(['files', 'put', id, 'a.bin', 'deep/a.bin']);
    await cli(['files', 'put', id, 'a.bin', '/workspace/deep/a.bin']);
    expect((await cli(['files', 'ls', id])).stdout).toMatch(/\n3 .*\/deep\/a\.bin\n$/);
    expect((await cli(['files', 'rm', id, 'deep/a.bin'])).code).toBe(0);
    expect((await cli(['files', 'cat', id, 'deep/a.bin'])).code).toBe(5);
  });

  it('are brought together with a directory, both ways, without secrets and without following links', async () => {
    const id = await newSession();
    const directory = join(home, 'site');
    await mkdir(join(directory, '.ssh'), { recursive: true });
    await writeFile(join(directory, 'index.md'), 'ours');
    await writeFile(join(directory, '.env'), 'SECRET=1');
    await writeFile(join(directory, '.ssh', 'id_ed25519'), 'SECRET');
    await writeFile(join(directory, '.gitignore'), '*.log\n');
    await writeFile(join(directory, 'debug.log'), 'noise');
    await symlink('/etc/passwd', join(directory, 'link'));
    await composition.api.call('POST', `/v1/sessions/${id}/fs/theirs.txt`, { content: 'theirs' });
    await cli(['files', 'sync', id, 'site']);
    expect(await readFile(join(directory, 'theirs.txt'), 'utf8')).toBe('theirs');
    const there = (await cli(['files', 'ls', id])).stdout;
    expect(there).toMatch(/index\.md/);
    expect(there).not.toMatch(/\.env|ssh|debug|link/);
    expect((await cli(['files', 'sync', id, 'site'])).stderr).toBe('');
  });

  it('that have changed on both sides stay as they are until somebody says who counts', async () => {
    const id = await newSession();
    await writeFile(join(home, 'x.txt'), 'a');
    await cli(['files', 'sync', id]);
    await writeFile(join(home, 'x.txt'), 'ours');
    await composition.api.call('PUT', `/v1/sessions/${id}/fs/x.txt`, { content: 'theirs' });
    const torn = await cli(['files', 'sync', id]);
    expect([torn.code, torn.stderr]).toEqual([1, expect.stringContaining('changed on both sides x.txt')]);
    expect(await readFile(join(home, 'x.txt'), 'utf8')).toBe('ours');
    expect((await cli(['files', 'sync', id, '--conflict', 'remote'])).code).toBe(0);
    expect(await readFile(join(home, 'x.txt'), 'utf8')).toBe('theirs');
  });
});

it('secrets of a session are set from what is typed, and only their names are ever shown', async () => {
  const id = await newSession();
  expect((await cli(['secrets', 'set', id, 'TOKEN'], { lines: ['s3cret-value'] })).code).toBe(0);
  const listed = await cli(['secrets', 'list', id]);
  expect(listed.stdout).toMatch(/TOKEN/);
  expect(listed.stdout + listed.stderr).not.toContain('s3cret-value');
  await cli(['secrets', 'remove', id, 'TOKEN']);
  expect((await cli(['secrets', 'list', id])).stderr).toMatch(/no secret/);
});

it('providers, models, MCP servers, harnesses, organizations and the engine are listed', async () => {
  const lists = [
    'providers list',
    'models list',
    'harnesses list',
    'orgs list',
    'durable workers',
    'durable health',
    'status',
    'sessions list',
  ];
  for (const line of lists) expect([line, (await cli(line.split(' '))).code]).toEqual([line, 0]);
  expect((await cli(['mcp', 'add', 'Shop', 'https://shop.example.com/mcp'])).stdout).toMatch(/capability mcp:/);
  expect((await cli(['mcp', 'list'])).stdout).toMatch(/Shop/);
  const added = await cli(['providers', 'add', 'mine', '-t', 'openai'], { lines: ['sk-not-to-be-shown'] });
  expect([added.code, added.stdout.includes('sk-not')]).toEqual([0, false]);
  expect((await cli(['durable', 'dlq'])).stderr).toMatch(/no dead letter/);
  expect((await cli(['doctor'])).stdout).toMatch(/✓ Workers +1 attached/);
});

it('a pasted token is kept where only its owner reads it, and forgotten on request', async () => {
  expect((await cli(['login', '--token'], { lines: ['evr_pat_0123456789'] })).stderr).toMatch(/signed in as/);
  const path = join(home, '.config', 'everruns', 'credentials.json');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await cli(['status'])).stdout).toMatch(/evr_pat_01234567\.\.\./);
  await cli(['logout']);
  expect(await readFile(path, 'utf8')).not.toContain('evr_pat_');
});

it.each([
  [['frobnicate'], 2],
  [['agents', 'get'], 2],
  [['agents', 'create', '-n', 'x'], 2],
  [['agents', 'get', 'nobody'], 5],
  [['sessions', 'get', 'session_x'], 6],
  [['completion', 'powershell'], 2],
  [['--api-url', 'http://127.0.0.1:9/api', 'agents', 'list'], 7],
  [['--help'], 0],
])('%j ends with %i and a sentence', async (args, code) => {
  const ran = await cli(args);
  expect(ran.code).toBe(code);
  expect(ran.stdout + ran.stderr).not.toBe('');
  expect(ran.stderr).not.toMatch(/at .*\.ts:/);
});

it.each(['bash', 'zsh', 'fish'])('completes commands in %s', async (shell) => {
  expect((await cli(['completion', shell])).stdout).toMatch(/agents[^]*requeue/);
});

it('shows nothing of what agents and strangers write that a terminal would obey', async () => {
  const hostile = '\u001b]0;owned\u0007\u001b[2Jhello\u202e';
  const { stdout } = await cli(['chat', '-m', model, script({ text: hostile })]);
  expect(stdout).toBe('hello\n');
  await cli(['agents', 'create', '-n', 'evil', '-p', 'x', '-d', hostile]);
  expect((await cli(['agents', 'list', '-s', 'evil'])).stdout).toMatch(/evil +hello\n$/);
});
