import {
  contentBytes,
  CreateMemoryFile,
  GrepFiles,
  listOf,
  MAX_GREP_LIMIT,
  MAX_PATHS_PER_READ,
  MemoryFile,
  MemoryFileInfo,
  MemoryFileList,
  MemoryGrepResult,
  PlatformError,
  QueryFlag,
  StatFile,
  UpdateMemoryFile,
} from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { FilePlace } from '@everruns/storage';
import { z } from 'zod';
import type { FileService } from '../../services/files.ts';
import type { MemoryService } from '../../services/memories.ts';
import { presentMemoryFile, presentMemoryFileInfo } from '../../services/present/memory.ts';
import type { CallerScope } from '../../services/scope.ts';
import type { Api } from '../types.ts';
import { sendBytes } from './file-downloads.ts';
import { pathOf } from './file-family.ts';
import { idPath, NoContent } from './params.ts';

/** Files of a memory. They show no more than a memory's user needs: neither ids nor the workspace that they lie in. */

const BODY_LIMIT_BYTES = 16 * 1024 * 1024;
const tags = ['Memories'];
const base = '/v1/memories/:id/fs';
const one = idPath('memory');
const params = one.extend({ '*': z.string().describe('Path below the memory, without a leading slash') });
const ListQuery = z.object({ recursive: QueryFlag });

type PlaceOf = (request: { scope: CallerScope; params: { id: Uuid } }, toWrite?: boolean) => Promise<FilePlace>;

export function memoryFileRoutes(app: Api, memories: Pick<MemoryService, 'place'>, files: FileService): void {
  const place: PlaceOf = ({ scope, params: { id } }, toWrite) => memories.place(scope, id, toWrite);
  readRoutes(app, place, files);
  writeRoutes(app, place, files);
  searchRoutes(app, place, files);
}

function readRoutes(app: Api, place: PlaceOf, files: FileService): void {
  const list = async (at: FilePlace, path: string, recursive = false) => ({
    data: (await files.list(at, { path, recursive })).files.map(presentMemoryFileInfo),
  });
  app.get(
    base,
    { schema: { tags, operationId: 'listMemoryFiles', params: one, querystring: ListQuery, response: { 200: MemoryFileList } } },
    async (request) => list(await place(request), '/', request.query.recursive),
  );
  app.get(
    `${base}/*`,
    {
      schema: {
        tags,
        operationId: 'getMemoryFile',
        params,
        querystring: ListQuery,
        response: { 200: z.union([MemoryFile, MemoryFileList]) },
      },
      config: { cache: 'entity' },
    },
    async (request, reply) => {
      const at = await place(request);
      const path = pathOf(request.params['*'], 'path');
      const file = path === '/' ? null : await files.require(at, path, 'all');
      if (file?.content != null) return presentMemoryFile(file, file.content);
      reply.header('cache-control', 'no-store');
      return list(at, path, request.query.recursive);
    },
  );
  app.get(
    `${base}/_/download/*`,
    {
      schema: {
        tags,
        operationId: 'downloadMemoryFile',
        params,
        response: { 200: { description: 'The content', content: { 'application/octet-stream': { schema: z.string() } } } },
      },
    },
    async (request, reply) => {
      const at = await place(request);
      const path = pathOf(request.params['*'], 'path');
      return sendBytes(request, reply, { file: path === '/' ? null : await files.require(at, path, 'all'), path });
    },
  );
}

function writeRoutes(app: Api, place: PlaceOf, files: FileService): void {
  const bodyLimit = BODY_LIMIT_BYTES;
  app.post(
    `${base}/*`,
    {
      bodyLimit,
      schema: { tags, operationId: 'createMemoryFile', params, body: CreateMemoryFile, response: { 201: MemoryFileInfo } },
    },
    async (request, reply) => {
      const writer = { ...(await place(request, true)), lease: null };
      const path = pathOf(request.params['*'], 'path');
      const { content, encoding, is_directory } = request.body;
      if (is_directory === true) {
        if (content != null) throw new PlatformError('invalid_request', 'A directory has no content.', { field: 'content' });
        return reply.code(201).send(presentMemoryFileInfo((await files.makeDirectory(writer, { path, mustBeNew: true })).file));
      }
      const bytes = bytesOf(content ?? '', encoding);
      const { file } = await files.write(writer, { path, bytes, isReadonly: null, mode: 'create', expectedHash: null });
      return reply.code(201).send(presentMemoryFileInfo(file));
    },
  );
  app.put(
    `${base}/*`,
    { bodyLimit, schema: { tags, operationId: 'updateMemoryFile', params, body: UpdateMemoryFile, response: { 200: MemoryFile } } },
    async (request) => {
      const writer = { ...(await place(request, true)), lease: null };
      const path = pathOf(request.params['*'], 'path');
      const { content, encoding, expected_hash } = request.body;
      if (content == null) throw new PlatformError('invalid_request', 'The content is missing.', { field: 'content' });
      const bytes = bytesOf(content, encoding);
      const write = { path, bytes, isReadonly: null, mode: 'replace' as const, expectedHash: expected_hash ?? null };
      return presentMemoryFile((await files.write(writer, write)).file, bytes);
    },
  );
  app.delete(
    `${base}/*`,
    { schema: { tags, operationId: 'deleteMemoryFile', params, querystring: ListQuery, response: { 204: NoContent } } },
    async (request, reply) => {
      const writer = { ...(await place(request, true)), lease: null };
      const path = pathOf(request.params['*'], 'path');
      await files.delete(writer, { path, recursive: request.query.recursive ?? false });
      return reply.code(204).send();
    },
  );
}

function bytesOf(content: string, encoding: 'text' | 'base64' | null | undefined): Buffer {
  const bytes = contentBytes(content, encoding ?? 'text');
  if (bytes !== null) return bytes;
  throw new PlatformError('invalid_request', 'Expected base64 as in RFC 4648, padded, without line breaks.', { field: 'content' });
}

function searchRoutes(app: Api, place: PlaceOf, files: FileService): void {
  app.post(
    `${base}/_/grep`,
    {
      schema: { tags, operationId: 'grepMemoryFiles', params: one, body: GrepFiles, response: { 200: listOf(MemoryGrepResult) } },
      config: { policy: 'org:memories:view' },
    },
    async (request) => {
      const at = await place(request);
      const { pattern, path_pattern } = request.body;
      const { matches } = await files.grep(at, { pattern, pathPattern: path_pattern ?? null, offset: 0, limit: MAX_GREP_LIMIT });
      return { data: await sizesOf(files, at, [...new Set(matches.map(({ path }) => path))]) };
    },
  );
  app.post(
    `${base}/_/stat`,
    {
      schema: { tags, operationId: 'statMemoryFile', params: one, body: StatFile, response: { 200: MemoryFileInfo } },
      config: { policy: 'org:memories:view' },
    },
    async (request) => {
      const at = await place(request);
      const path = pathOf(request.body.path, 'path');
      if (path === '/') throw new PlatformError('invalid_request', 'This is the memory itself; name something in it.', { field: 'path' });
      return presentMemoryFileInfo(await files.require(at, path, 'none'));
    },
  );
}

async function sizesOf(files: FileService, at: FilePlace, paths: readonly string[]): Promise<{ path: string; size_bytes: number }[]> {
  const sizes: { path: string; size_bytes: number }[] = [];
  for (let from = 0; from < paths.length; from += MAX_PATHS_PER_READ) {
    const found = await files.read(at, paths.slice(from, from + MAX_PATHS_PER_READ), 'none');
    for (const path of paths.slice(from, from + MAX_PATHS_PER_READ)) {
      const file = found.get(path);
      if (file !== undefined) sizes.push({ path, size_bytes: file.sizeBytes });
    }
  }
  return sizes;
}
