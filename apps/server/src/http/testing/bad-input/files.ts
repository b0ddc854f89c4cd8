import { HEX } from './row.ts';
import type { BadInput } from './row.ts';

const FS = '/v1/sessions/SESSION/fs';
const refused = (name: string, call: BadInput['call'], field?: string): BadInput => ({
  name,
  call,
  status: 400,
  code: 'invalid_request',
  ...(field === undefined ? {} : { field }),
});

/** Paths and contents of files; what depends on files that are there is in files.contract.ts. */
export const BAD_FILES: readonly BadInput[] = [
  refused('a file path that goes up', ['GET', `${FS}/a%2F..%2Fb`], 'path'),
  refused('a file path with NUL', ['POST', `${FS}/a%00b`, { content: 'x' }], 'path'),
  refused('a file path with two slashes', ['POST', `${FS}/a//b`, { content: 'x' }], 'path'),
  refused('a file path without end', ['POST', `${FS}/${'abcdefg/'.repeat(130)}a`, { content: 'x' }], 'path'),
  refused('the reserved folder', ['POST', `${FS}/_/new`, { content: 'x' }], 'path'),
  refused('base64 that does not round-trip', ['POST', `${FS}/a`, { content: 'eB==', encoding: 'base64' }], 'content'),
  refused('content of a file with NUL', ['POST', `${FS}/a`, { content: 'a\u0000' }], 'content'),
  refused('a destination that goes up', ['POST', `${FS}/_/move`, { src_path: 'a', dst_path: '../b' }], 'dst_path'),
  refused('a workspace without a name', ['POST', '/v1/workspaces', {}], 'name'),
  {
    name: 'a broken search pattern',
    call: ['POST', `${FS}/_/grep`, { pattern: '[' }],
    status: 400,
    code: 'invalid_pattern',
    field: 'pattern',
  },
  { name: 'a file that is not there', call: ['GET', `${FS}/none`], status: 404, code: 'not_found' },
  { name: 'a file of no workspace', call: ['GET', `/v1/workspaces/wsp_${HEX}/fs/a`], status: 404, code: 'not_found' },
  { name: 'a file of a malformed workspace', call: ['GET', '/v1/workspaces/mine/fs/a'], status: 400, code: 'malformed_id', field: 'id' },
];
