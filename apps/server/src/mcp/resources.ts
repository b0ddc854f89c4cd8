import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js';
import type { CallApi } from './api-calls.ts';
import { ToolError } from './tool-errors.ts';

/** What clients can list and read without a tool. */

const SCHEME = 'everruns://';
const JSON_TYPE = 'application/json';
const LIST_LIMIT = 100;

export const RESOURCES = [
  { uri: `${SCHEME}agents`, name: 'agents', title: 'Agents', description: 'The agents of the organization', mimeType: JSON_TYPE },
  {
    uri: `${SCHEME}capabilities`,
    name: 'capabilities',
    title: 'Capabilities',
    description: 'What agents can be given',
    mimeType: JSON_TYPE,
  },
  {
    uri: `${SCHEME}harnesses`,
    name: 'harnesses',
    title: 'Harnesses',
    description: 'The harnesses that agents run in',
    mimeType: JSON_TYPE,
  },
  { uri: `${SCHEME}models`, name: 'models', title: 'Models', description: 'The models that agents can use', mimeType: JSON_TYPE },
];

export const RESOURCE_TEMPLATES = [
  { uriTemplate: `${SCHEME}agents/{agent_id}`, name: 'agent', title: 'Agent', description: 'One agent', mimeType: JSON_TYPE },
  { uriTemplate: `${SCHEME}sessions/{session_id}`, name: 'session', title: 'Session', description: 'One session', mimeType: JSON_TYPE },
];

const LISTS: ReadonlySet<string> = new Set(RESOURCES.map(({ name }) => name));
const PAGED: ReadonlySet<string> = new Set(['agents', 'capabilities']);
const ONE = /^(agents|sessions)\/([a-z]+_[0-9a-f]{32})$/;
const NOT_FOUND = -32002;

export async function readResource(
  callApi: CallApi,
  uri: string,
): Promise<{ contents: { uri: string; mimeType: string; text: string }[] }> {
  const path = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : '';
  if (!LISTS.has(path) && !ONE.test(path)) throw new McpError(NOT_FOUND, 'There is no such resource.', { uri });
  try {
    const { text } = await callApi({ method: 'GET', path: `/v1/${path}`, ...(PAGED.has(path) ? { query: { limit: LIST_LIMIT } } : {}) });
    return { contents: [{ uri, mimeType: JSON_TYPE, text }] };
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    const { failure } = error;
    const code =
      failure.category === 'not_found' ? NOT_FOUND : failure.category === 'internal' ? ErrorCode.InternalError : ErrorCode.InvalidRequest;
    throw new McpError(code, failure.message, { uri, ...failure });
  }
}
