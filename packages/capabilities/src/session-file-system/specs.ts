import type { JsonObject, ToolSpec } from '@everruns/agent/capability';

const path: JsonObject = { type: 'string', description: 'Path of the file, e.g. /workspace/notes.md; relative ones begin at /workspace' };
const offset = (what: string): JsonObject => ({ type: 'integer', description: `${what} to leave out at the beginning; default 0` });
const limit = (what: string): JsonObject => ({ type: 'integer', description: what });
const object = (properties: JsonObject, required: string[]): JsonObject => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties,
});

const READS = { readonly: true, idempotent: true } as const;
const WRITES = { concurrency_class: 'session_workspace' } as const;
const category = 'File Operations';

export const readFile: ToolSpec = {
  name: 'read_file',
  display_name: 'Read file',
  category,
  description:
    'Reads a text file as numbered lines, with the hash that edit_file asks for. Long files come in parts: the answer says where to go on and outlines the rest. Of an image it shows the image, of other files type and size.',
  parameters: object(
    { path, offset: offset('Lines'), limit: limit('Most lines; default 2000, less for logs, tables and minified files') },
    ['path'],
  ),
  hints: READS,
  narration: { present: 'Reading {path|a file}', past: 'Read {path|a file}' },
};

export const readManyFiles: ToolSpec = {
  name: 'read_many_files',
  display_name: 'Read files',
  category,
  description: 'Reads 2 to 10 files at once, in the order of the paths; each succeeds or fails by itself.',
  parameters: object(
    {
      paths: { type: 'array', items: { type: 'string' }, description: 'Paths of 2 to 10 files' },
      offset: offset('Lines of each file'),
      limit: limit('Most lines of each file'),
    },
    ['paths'],
  ),
  hints: READS,
  narration: { present: 'Reading several files', past: 'Read several files' },
};

export const writeFile: ToolSpec = {
  name: 'write_file',
  display_name: 'Write file',
  category,
  description:
    'Writes a whole file, new or in place of what is there; missing directories are made. To change parts of a file use edit_file.',
  parameters: object(
    {
      path,
      content: { type: 'string', description: 'The whole content' },
      encoding: { type: 'string', enum: ['text', 'base64'], description: 'How the content is given; default text' },
    },
    ['path', 'content'],
  ),
  // The same bytes at the same place: once more changes nothing.
  hints: { ...WRITES, idempotent: true },
  narration: { present: 'Writing {path|a file}', past: 'Wrote {path|a file}' },
};

export const editFile: ToolSpec = {
  name: 'edit_file',
  display_name: 'Edit file',
  category,
  description:
    'Replaces parts of a text file. Each old_text must occur exactly once in the file as it is now, and the edits must not overlap; all are applied together or none.',
  parameters: object(
    {
      path,
      expected_hash: { type: 'string', description: 'content_hash from the last read or write of the file' },
      edits: {
        type: 'array',
        items: {
          type: 'object',
          required: ['old_text', 'new_text'],
          properties: { old_text: { type: 'string' }, new_text: { type: 'string' } },
        },
      },
      old_text: { type: 'string', description: 'For a single edit, instead of edits' },
      new_text: { type: 'string', description: 'For a single edit, instead of edits' },
    },
    ['path', 'expected_hash'],
  ),
  hints: WRITES,
  narration: { present: 'Editing {path|a file}', past: 'Edited {path|a file}' },
};

export const listDirectory: ToolSpec = {
  name: 'list_directory',
  display_name: 'List directory',
  category,
  description: 'Lists what is in a directory.',
  parameters: object(
    {
      path: { type: 'string', description: 'Default /workspace' },
      offset: offset('Entries'),
      limit: limit('Most entries; default 200, at most 1000'),
    },
    [],
  ),
  hints: READS,
  narration: { present: 'Listing {path|the workspace}', past: 'Listed {path|the workspace}' },
};

export const grepFiles: ToolSpec = {
  name: 'grep_files',
  display_name: 'Search files',
  category,
  description: 'Finds the lines of text files that match a regular expression.',
  parameters: object(
    {
      pattern: { type: 'string', description: 'Regular expression, matched against each line; (?i) at its start ignores case' },
      path_pattern: {
        type: 'string',
        description: 'Where to look: a file, a directory, or a pattern such as src/**/*.ts; default everywhere',
      },
      offset: offset('Matches'),
      limit: limit('Most matches; default 200, at most 1000'),
    },
    ['pattern'],
  ),
  hints: READS,
  narration: { present: 'Searching for {pattern|a pattern}', past: 'Searched for {pattern|a pattern}' },
};

export const deleteFile: ToolSpec = {
  name: 'delete_file',
  display_name: 'Delete file',
  category,
  description: 'Deletes a file or a directory.',
  parameters: object({ path, recursive: { type: 'boolean', description: 'Delete a directory with all that is in it; default false' } }, [
    'path',
  ]),
  hints: { ...WRITES, destructive: true },
  narration: { present: 'Deleting {path|a file}', past: 'Deleted {path|a file}' },
};

export const statFile: ToolSpec = {
  name: 'stat_file',
  display_name: 'File details',
  category,
  description: 'Tells whether a file or a directory is there, its type, size, hash and dates.',
  parameters: object({ path }, ['path']),
  hints: READS,
  narration: { present: 'Looking at {path|a file}', past: 'Looked at {path|a file}' },
};
