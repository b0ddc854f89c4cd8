import { createHash } from 'node:crypto';

/** What all model providers take as the name of a tool. */
const MAX_CHARS = 64;
const MAX_SERVER_CHARS = 24;
const HASH_CHARS = 6;

/** `mcp_{server}__{tool}`: the first double underscore ends the server, so a server's own are made single. Names that had to be changed beyond that end in a hash. */
export function toolName(server: string, tool: string): string {
  const owner = serverSlug(server);
  const plain = tool.replaceAll(/[^A-Za-z0-9_-]/g, '_');
  const name = `mcp_${owner}__${plain}`;
  if (plain === tool && name.length <= MAX_CHARS) return name;
  const hash = createHash('sha256').update(tool).digest('hex').slice(0, HASH_CHARS);
  return `${name.slice(0, MAX_CHARS - HASH_CHARS - 1)}_${hash}`;
}

/** The name of a server as it stands in the names of its tools. */
export function serverSlug(name: string): string {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '');
  if (slug !== '' && slug.length <= MAX_SERVER_CHARS) return slug;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_CHARS);
  return slug === '' ? hash : `${slug.slice(0, MAX_SERVER_CHARS - HASH_CHARS - 1)}_${hash}`;
}
