import { z } from 'zod';
import { BUILDING_BLOCK_STATES, LongText, publicId, Timestamp } from './common.ts';
import { listOf } from './lists.ts';

/** Workspaces and their files (contract 2.12). */

const WorkspaceName = z.string().trim().min(1).max(200);

export const CreateWorkspace = z.object({ name: WorkspaceName, description: LongText.nullish() }).meta({ id: 'CreateWorkspace' });
export type CreateWorkspace = z.infer<typeof CreateWorkspace>;

export const UpdateWorkspace = z
  .object({ name: WorkspaceName.optional(), description: LongText.nullish(), status: z.enum(['active', 'archived']).optional() })
  .meta({ id: 'UpdateWorkspace' });
export type UpdateWorkspace = z.infer<typeof UpdateWorkspace>;

export const Workspace = z
  .object({
    id: publicId('workspace'),
    name: z.string(),
    description: z.string().optional(),
    status: z.enum(BUILDING_BLOCK_STATES),
    created_at: Timestamp,
    updated_at: Timestamp,
    archived_at: Timestamp.optional(),
    deleted_at: Timestamp.optional(),
  })
  .meta({ id: 'Workspace' });
export type Workspace = z.infer<typeof Workspace>;

const stat = {
  path: z.string().describe('Absolute below the workspace, e.g. /notes/a.md'),
  name: z.string(),
  is_directory: z.boolean(),
  is_readonly: z.boolean(),
  size_bytes: z.int(),
  created_at: Timestamp,
  updated_at: Timestamp,
};
const own = { id: z.string().describe('A UUID'), session_id: z.string().describe('A UUID') };

export const FileStat = z.object(stat).meta({ id: 'FileStat' });
export type FileStat = z.infer<typeof FileStat>;

export const FileInfo = z.object({ ...own, ...stat }).meta({ id: 'FileInfo' });
export type FileInfo = z.infer<typeof FileInfo>;

export const SessionFile = z
  .object({
    ...own,
    ...stat,
    content: z.string().optional(),
    encoding: z.enum(['text', 'base64']).optional(),
    content_hash: z.string().optional().describe('sha256: and hex digits; of files only'),
  })
  .meta({ id: 'SessionFile' });
export type SessionFile = z.infer<typeof SessionFile>;

export const FileList = listOf(FileInfo).meta({ id: 'FileList' });

const encoding = z.enum(['text', 'base64']).nullish();
export const CreateFile = z
  .object({ content: z.string().nullish(), encoding, is_directory: z.boolean().nullish(), is_readonly: z.boolean().nullish() })
  .meta({ id: 'CreateFile' });
export type CreateFile = z.infer<typeof CreateFile>;

export const UpdateFile = z
  .object({ content: z.string().nullish(), encoding, is_readonly: z.boolean().nullish() })
  .meta({ id: 'UpdateFile' });
export type UpdateFile = z.infer<typeof UpdateFile>;

export const RelocateFile = z.object({ src_path: z.string(), dst_path: z.string() }).meta({ id: 'RelocateFile' });
export type RelocateFile = z.infer<typeof RelocateFile>;

export const GrepFiles = z
  .object({ pattern: z.string().min(1).max(1_000), path_pattern: z.string().min(1).max(1_000).nullish() })
  .meta({ id: 'GrepFiles' });
export type GrepFiles = z.infer<typeof GrepFiles>;

export const GrepResult = z
  .object({ path: z.string(), matches: z.array(z.object({ path: z.string(), line_number: z.int(), line: z.string() })) })
  .meta({ id: 'GrepResult' });
export type GrepResult = z.infer<typeof GrepResult>;

export const StatFile = z.object({ path: z.string() }).meta({ id: 'StatFile' });
export const DeletedFile = z.object({ deleted: z.boolean() }).meta({ id: 'DeletedFile' });
