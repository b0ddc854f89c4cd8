import { encodedContent, fileName, toPublicId } from '@everruns/contract';
import type { FileInfo, FileStat, OpFile, SessionFile, Workspace } from '@everruns/contract';
import type { FileRow, WorkspaceRow } from '@everruns/storage';

export function presentStat(file: FileRow): FileStat {
  return {
    path: file.path,
    name: fileName(file.path),
    is_directory: file.isDirectory,
    is_readonly: file.isReadonly,
    size_bytes: file.sizeBytes,
    created_at: file.createdAt.toISOString(),
    updated_at: file.updatedAt.toISOString(),
  };
}

export function presentFileInfo(file: FileRow): FileInfo {
  return { id: file.id, session_id: file.sessionId, ...presentStat(file) };
}

export function presentFile(file: FileRow, content: Buffer | null): SessionFile {
  return {
    ...presentFileInfo(file),
    ...(content === null ? {} : encodedContent(content)),
    ...(file.contentHash === null ? {} : { content_hash: file.contentHash }),
  };
}

/** As a running tool gets it. */
export function presentOpFile(file: FileRow, content: Buffer | null = null): OpFile {
  return {
    path: file.path,
    is_directory: file.isDirectory,
    is_readonly: file.isReadonly,
    is_binary: file.isBinary,
    size_bytes: file.sizeBytes,
    ...(file.contentHash === null ? {} : { content_hash: file.contentHash }),
    created_at: file.createdAt.toISOString(),
    updated_at: file.updatedAt.toISOString(),
    ...(content === null ? {} : encodedContent(content)),
  };
}

/** One that belongs to its session alone is named after it. */
export function presentWorkspace(row: WorkspaceRow): Workspace {
  return {
    id: toPublicId('workspace', row.id),
    name: row.name ?? (row.session_id === null ? toPublicId('workspace', row.id) : toPublicId('session', row.session_id)),
    ...(row.description === null ? {} : { description: row.description }),
    status: row.status,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    ...(row.archived_at === null ? {} : { archived_at: row.archived_at.toISOString() }),
    ...(row.deleted_at === null ? {} : { deleted_at: row.deleted_at.toISOString() }),
  };
}
