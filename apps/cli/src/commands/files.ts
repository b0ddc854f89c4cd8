import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConflictError, NotFoundError } from '@everruns/client';
import type { Client } from '@everruns/client';
import type { Command } from 'commander';
import type { Act } from '../cli.ts';
import { CommandError } from '../exit-codes.ts';
import type { Step, SyncPolicy } from '../sync/plan.ts';
import { syncDirectory } from '../sync/sync.ts';
import type { RemoteFiles } from '../sync/sync.ts';

interface SyncFlags {
  conflict: SyncPolicy['conflict'];
  delete?: boolean;
  dryRun?: boolean;
  exclude?: string[];
  watch?: boolean;
  interval: string;
}

const VERBS: Readonly<Record<Step['kind'], string>> = {
  push: '→',
  pull: '←',
  delete_local: 'removed here',
  delete_remote: 'removed there',
  forget: 'gone',
  conflict: 'changed on both sides',
  keep: 'gone on one side, kept on the other (--delete)',
};

/** Files of a session. */
export function fileCommands(program: Command, act: Act): void {
  const files = program.command('files').description('the files that the tools of a session see below /workspace');
  files
    .command('ls <session>')
    .description('all files')
    .action(
      act(async ({ client, out }, id: string) => {
        const { data } = await client.api.get('/v1/sessions/{id}/fs', { params: { path: { id }, query: { recursive: 'true' } } });
        out.table(
          data.filter(({ is_directory }) => !is_directory),
          [
            ['SIZE', ({ size_bytes }) => size_bytes],
            ['CHANGED', ({ updated_at }) => updated_at.replace('T', ' ').slice(0, 19)],
            ['PATH', ({ path }) => path],
          ],
          'The session has no files.',
        );
      }),
    );
  files
    .command('cat <session> <path>')
    .description('print a file')
    .action(
      act(async ({ client, host, out }, id: string, path: string) => {
        const text = new TextDecoder().decode(await remoteFiles(client, id).read(bare(path)));
        if (out.isJson) out.show({ path, content: text }, () => text);
        else host.stdout.write(text);
      }),
    );
  files
    .command('put <session> <local> [path]')
    .description('store a file, in place of the one that is there')
    .action(
      act(async ({ client, host, out }, id: string, local: string, path = local.split('/').at(-1) ?? local) => {
        const updated = await remoteFiles(client, id).write(bare(path), await readFile(resolve(host.cwd, local)));
        out.show({ path: bare(path), updated_at: updated }, () => `${bare(path)} is stored.`);
      }),
    );
  files
    .command('rm <session> <path>')
    .description('remove a file')
    .action(act(async ({ client }, id: string, path: string) => remoteFiles(client, id).remove(bare(path))));
  files
    .command('sync <session> [directory]')
    .description('bring a directory and the session together, both ways')
    .option('--conflict <who>', 'who counts when both have changed: none, local, remote, newer', 'none')
    .option('--delete', 'what is gone on one side goes on the other')
    .option('--dry-run', 'only say what there is to do')
    .option('-x, --exclude <pattern...>', 'as in .gitignore; .gitignore and .everrunsignore are honoured')
    .option('-w, --watch', 'go on until Ctrl-C')
    .option('--interval <seconds>', 'with --watch', '3')
    .action(
      act(async ({ client, host, out }, id: string, directory: string | undefined, flags: SyncFlags) => {
        if (!['none', 'local', 'remote', 'newer'].includes(flags.conflict))
          throw new CommandError('--conflict is none, local, remote or newer.', 'usage');
        let isOver = false;
        const stop = host.onInterrupt(() => (isOver = true));
        try {
          for (;;) {
            const steps = await syncDirectory(id, remoteFiles(client, id), {
              directory: resolve(host.cwd, directory ?? '.'),
              exclude: flags.exclude ?? [],
              conflict: flags.conflict,
              delete: flags.delete === true,
              dryRun: flags.dryRun === true,
              onStep: ({ kind, path }) => out.note(`${VERBS[kind]} ${path}`),
            });
            if (flags.watch !== true) return finish(steps, (rows) => out.show(rows, () => `${rows.length} files differed.`));
            await host.pause(Number(flags.interval) * 1_000);
            if (isOver) return;
          }
        } finally {
          stop();
        }
      }),
    );
}

function finish(steps: readonly Step[], show: (steps: readonly Step[]) => void): void {
  show(steps);
  if (steps.some(({ kind }) => kind === 'conflict'))
    throw new CommandError('Some files have changed on both sides: --conflict says who counts.');
}

function bare(path: string): string {
  return path.replace(/^\/?(workspace\/)?/, '');
}

function remoteFiles(client: Client, id: string): RemoteFiles {
  const at = (path: string) => ({ params: { path: { id, path } } });
  return {
    async list() {
      const { data } = await client.api.get('/v1/sessions/{id}/fs', { params: { path: { id }, query: { recursive: 'true' } } });
      return data.filter(({ is_directory }) => !is_directory).map(({ path, updated_at }) => ({ path: bare(path), updatedAt: updated_at }));
    },
    async read(path) {
      const bytes = (await client.api.get('/v1/sessions/{id}/fs/_/download/{path}', {
        ...at(path),
        parseAs: 'arrayBuffer',
      })) as ArrayBuffer;
      return new Uint8Array(bytes);
    },
    async write(path, bytes) {
      const body = { content: Buffer.from(bytes).toString('base64'), encoding: 'base64' as const };
      try {
        return (await client.api.post('/v1/sessions/{id}/fs/{path}', { ...at(path), body })).updated_at;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        return (await client.api.put('/v1/sessions/{id}/fs/{path}', { ...at(path), body })).updated_at;
      }
    },
    async remove(path) {
      await client.api.delete('/v1/sessions/{id}/fs/{path}', at(path)).catch((error: unknown) => {
        if (!(error instanceof NotFoundError)) throw error;
      });
    },
  };
}
