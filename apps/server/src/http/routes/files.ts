import {
  contentBytes,
  CreateFile,
  DeletedFile,
  FileList,
  FileStat,
  GrepFiles,
  GrepResult,
  listOf,
  MAX_GREP_LIMIT,
  PlatformError,
  QueryFlag,
  RelocateFile,
  SessionFile,
  StatFile,
  UpdateFile,
} from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { FilePlace, FileWriter, GrepMatch } from '@everruns/storage';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { FileService } from '../../services/files.ts';
import { presentFile, presentFileInfo, presentStat } from '../../services/present/file.ts';
import type { CallerScope } from '../../services/scope.ts';
import type { Api } from '../types.ts';
import { fileDownloads, sendBytes } from './file-downloads.ts';
import { FILE_FAMILIES, filePath, pathOf } from './file-family.ts';
import type { FileFamily } from './file-family.ts';
import { idPath } from './params.ts';

/** Room for the largest file in base64, or as text with many escapes. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

const ListQuery = z.object({ recursive: QueryFlag });

export function fileRoutes(app: Api, files: FileService): void {
  for (const family of FILE_FAMILIES) {
    readRoutes(app, files, family);
    writeRoutes(app, files, family);
    relocationRoutes(app, files, family);
    searchRoutes(app, files, family);
    fileDownloads(app, files, family);
  }
}

function writerOf(family: FileFamily, scope: CallerScope, id: Uuid): FileWriter {
  return { ...family.place(scope, id), lease: null };
}

function readRoutes(app: Api, files: FileService, family: FileFamily): void {
  const { base, suffix, place } = family;
  const tags = ['Files'];
  const list = async (at: FilePlace, path: string, recursive: boolean) => ({
    data: (await files.list(at, { path, recursive })).files.map(presentFileInfo),
  });
  app.get(
    base,
    { schema: { tags, operationId: `list${suffix}s`, params: idPath(family.kind), querystring: ListQuery, response: { 200: FileList } } },
    async (request) => list(place(request.scope, request.params.id), '/', request.query.recursive ?? false),
  );
  app.get(
    `${base}/*`,
    {
      schema: {
        tags,
        operationId: `get${suffix}`,
        params: filePath(family),
        querystring: ListQuery,
        response: { 200: z.union([SessionFile, FileList]) },
      },
      config: { cache: 'entity' },
    },
    async (request, reply) => {
      const at = place(request.scope, request.params.id);
      const path = pathOf(request.params['*'], 'path');
      const file = path === '/' ? null : await files.require(at, path, 'all');
      if (wantsBytes(request)) return sendBytes(request, reply, { file, path });
      if (file !== null && !file.isDirectory) return presentFile(file, file.content);
      reply.header('cache-control', 'no-store');
      return list(at, path, request.query.recursive ?? false);
    },
  );
}

/** Bytes are sent to those who ask for them and not for JSON. */
function wantsBytes(request: FastifyRequest): boolean {
  const accept = request.headers.accept ?? '';
  return accept.includes('application/octet-stream') && !accept.includes('application/json');
}

function writeRoutes(app: Api, files: FileService, family: FileFamily): void {
  const { base, suffix } = family;
  const tags = ['Files'];
  const params = filePath(family);
  const bodyLimit = BODY_LIMIT_BYTES;
  app.post(
    `${base}/*`,
    { bodyLimit, schema: { tags, operationId: `create${suffix}`, params, body: CreateFile, response: { 201: SessionFile } } },
    async (request, reply) => {
      const writer = writerOf(family, request.scope, request.params.id);
      const path = pathOf(request.params['*'], 'path');
      const { content, encoding, is_directory, is_readonly } = request.body;
      if (is_directory === true) {
        if (content != null) throw new PlatformError('invalid_request', 'A directory has no content.', { field: 'content' });
        const { file } = await files.makeDirectory(writer, { path, mustBeNew: true });
        return reply.code(201).send(presentFile(file, null));
      }
      const bytes = bytesOf(content ?? '', encoding);
      const { file } = await files.write(writer, { path, bytes, isReadonly: is_readonly ?? null, mode: 'create', expectedHash: null });
      return reply.code(201).send(presentFile(file, bytes));
    },
  );
  app.put(
    `${base}/*`,
    { bodyLimit, schema: { tags, operationId: `update${suffix}`, params, body: UpdateFile, response: { 200: SessionFile } } },
    async (request) => {
      const writer = writerOf(family, request.scope, request.params.id);
      const path = pathOf(request.params['*'], 'path');
      const { content, encoding, is_readonly: isReadonly } = request.body;
      if (content == null) {
        if (isReadonly != null) await files.setReadonly(writer, path, isReadonly);
        const file = await files.require(writer, path, 'all');
        return presentFile(file, file.content);
      }
      const bytes = bytesOf(content, encoding);
      const { file } = await files.write(writer, { path, bytes, isReadonly: isReadonly ?? null, mode: 'replace', expectedHash: null });
      return presentFile(file, bytes);
    },
  );
  app.delete(
    `${base}/*`,
    { schema: { tags, operationId: `delete${suffix}`, params, querystring: ListQuery, response: { 200: DeletedFile } } },
    async (request) => {
      const writer = writerOf(family, request.scope, request.params.id);
      const path = pathOf(request.params['*'], 'path');
      if (path !== '/' && !(await files.read(writer, [path], 'none')).has(path)) return { deleted: false };
      await files.delete(writer, { path, recursive: request.query.recursive ?? false });
      return { deleted: true };
    },
  );
}

function bytesOf(content: string, encoding: 'text' | 'base64' | null | undefined): Buffer {
  const bytes = contentBytes(content, encoding ?? 'text');
  if (bytes === null)
    throw new PlatformError('invalid_request', 'Expected base64 as in RFC 4648, padded, without line breaks.', { field: 'content' });
  return bytes;
}

function relocationRoutes(app: Api, files: FileService, family: FileFamily): void {
  const { base, suffix } = family;
  const tags = ['Files'];
  const params = idPath(family.kind);
  const relocation = (body: RelocateFile) => ({
    from: pathOf(body.src_path, 'src_path'),
    to: pathOf(body.dst_path, 'dst_path'),
    overwrite: false,
  });
  app.post(
    `${base}/_/move`,
    { schema: { tags, operationId: `move${suffix}`, params, body: RelocateFile, response: { 200: SessionFile } } },
    async (request) => {
      const file = await files.move(writerOf(family, request.scope, request.params.id), relocation(request.body));
      return presentFile(file, null);
    },
  );
  app.post(
    `${base}/_/copy`,
    { schema: { tags, operationId: `copy${suffix}`, params, body: RelocateFile, response: { 201: SessionFile } } },
    async (request, reply) => {
      const file = await files.copy(writerOf(family, request.scope, request.params.id), relocation(request.body));
      return reply.code(201).send(presentFile(file, null));
    },
  );
}

function searchRoutes(app: Api, files: FileService, family: FileFamily): void {
  const { base, suffix, place } = family;
  const tags = ['Files'];
  const params = idPath(family.kind);
  app.post(
    `${base}/_/grep`,
    {
      schema: { tags, operationId: `grep${suffix}s`, params, body: GrepFiles, response: { 200: listOf(GrepResult) } },
      config: { policy: 'org:sessions:view' },
    },
    async (request) => {
      const { pattern, path_pattern } = request.body;
      const query = { pattern, pathPattern: path_pattern ?? null, offset: 0, limit: MAX_GREP_LIMIT };
      return { data: byFile((await files.grep(place(request.scope, request.params.id), query)).matches) };
    },
  );
  app.post(
    `${base}/_/stat`,
    {
      schema: { tags, operationId: `stat${suffix}`, params, body: StatFile, response: { 200: FileStat } },
      config: { policy: 'org:sessions:view' },
    },
    async (request) => {
      const path = pathOf(request.body.path, 'path');
      if (path === '/')
        throw new PlatformError('invalid_request', 'This is the workspace itself; name something in it.', { field: 'path' });
      return presentStat(await files.require(place(request.scope, request.params.id), path, 'none'));
    },
  );
}

function byFile(matches: readonly GrepMatch[]): { path: string; matches: GrepMatch[] }[] {
  const groups = new Map<string, GrepMatch[]>();
  for (const match of matches) {
    const group = groups.get(match.path);
    if (group === undefined) groups.set(match.path, [match]);
    else group.push(match);
  }
  return [...groups].map(([path, found]) => ({ path, matches: found }));
}
