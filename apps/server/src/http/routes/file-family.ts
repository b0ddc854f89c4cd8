import { PlatformError, strictPath } from '@everruns/contract';
import type { IdKind, Uuid } from '@everruns/contract';
import type { FilePlace } from '@everruns/storage';
import { z } from 'zod';
import type { CallerScope } from '../../services/scope.ts';
import { idPath } from './params.ts';

/** One family of file routes: the files of a workspace are reached through the workspace, and through a session that works in it. */
export interface FileFamily {
  kind: IdKind & ('session' | 'workspace');
  /** With `:id`, below the API prefix. */
  base: string;
  /** Ends the operation ids. */
  suffix: string;
  place: (scope: CallerScope, id: Uuid) => FilePlace;
}

export const FILE_FAMILIES: readonly FileFamily[] = [
  {
    kind: 'session',
    base: '/v1/sessions/:id/fs',
    suffix: 'SessionFile',
    place: ({ orgId }, id) => ({ orgId, workspaceId: null, sessionId: id }),
  },
  {
    kind: 'workspace',
    base: '/v1/workspaces/:id/fs',
    suffix: 'WorkspaceFile',
    place: ({ orgId }, id) => ({ orgId, workspaceId: id, sessionId: null }),
  },
];

/** The stored form of a path of a request. Throws `invalid_request` and names the field. */
export function pathOf(raw: string, field: string): string {
  const { path, problem } = strictPath(raw);
  if (problem !== undefined) throw new PlatformError('invalid_request', problem, { field });
  return path;
}

export function filePath(family: FileFamily) {
  return idPath(family.kind).extend({ '*': z.string().describe('Path below the workspace, without a leading slash') });
}
