import { toolError, toolSuccess, type ToolResult } from '@everruns/agent/capability';
import type { Json } from '@everruns/agent/model';

/** The parts of a `tools/call` result that are read. */
export interface CallResult {
  content?: readonly ContentBlock[] | undefined;
  structuredContent?: unknown;
  isError?: boolean | undefined;
}

export interface ContentBlock {
  type: string;
  text?: unknown;
  data?: unknown;
  mimeType?: unknown;
  uri?: unknown;
  name?: unknown;
  resource?: unknown;
}

/** A single text becomes `{result}`, several parts `{content}`; what a server calls an error is one for the model. */
export function toToolResult({ content = [], structuredContent, isError }: CallResult): ToolResult {
  if (isError === true) {
    const text = content.flatMap((block) => (typeof block.text === 'string' ? [block.text] : [])).join('\n');
    return toolError(text === '' ? 'The MCP server reports an error without a text.' : text);
  }
  const [first] = content;
  if (structuredContent !== undefined && content.every(({ type }) => type === 'text'))
    return toolSuccess({ result: structuredContent as Json });
  if (content.length === 1 && first?.type === 'text') return toolSuccess({ result: textOf(first.text) });
  return toolSuccess({ content: content.map(partOf), ...(structuredContent !== undefined && { structured: structuredContent as Json }) });
}

function partOf(block: ContentBlock): Json {
  const { type, mimeType, uri, name } = block;
  const known = { ...(typeof mimeType === 'string' && { mime_type: mimeType }), ...(typeof uri === 'string' && { uri }) };
  switch (type) {
    case 'text':
      return { type, text: textOf(block.text) };
    case 'image':
    case 'audio':
      return {
        type,
        ...known,
        size_bytes: Math.floor((textOf(block.data).length * 3) / 4),
        note: `The ${type} itself is not shown.`,
      };
    case 'resource_link':
      return { type, ...known, ...(typeof name === 'string' && { name }) };
    case 'resource':
      return { type, ...resourceOf(block.resource) };
    default:
      return { type, note: 'Content of this type cannot be shown.' };
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function resourceOf(resource: unknown): Record<string, Json> {
  const { uri, mimeType, text, blob } = (resource ?? {}) as Record<string, unknown>;
  return {
    ...(typeof uri === 'string' && { uri }),
    ...(typeof mimeType === 'string' && { mime_type: mimeType }),
    ...(typeof text === 'string' && { text }),
    ...(typeof blob === 'string' && { size_bytes: Math.floor((blob.length * 3) / 4), note: 'The binary content itself is not shown.' }),
  };
}
