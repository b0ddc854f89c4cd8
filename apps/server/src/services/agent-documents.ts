import { createHash } from 'node:crypto';
import { MAX_NAME_LENGTH, PlatformError, SLUG } from '@everruns/contract';
import type { Agent } from '@everruns/contract';
import { parse, stringify } from 'yaml';

/** Agents as documents: Markdown with YAML front matter (the body is the prompt), YAML, JSON, or plain text that is a prompt. */

const FRONT_MATTER = /^---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)([\s\S]*)$/;
/** Aliases of an anchor are expanded at most so often: a small document must not become a huge one. */
const MAX_ALIASES = 20;

/** What of an agent travels in a document. Ids of other things stay behind except the model's and the harness's. */
const EXPORTED = [
  'id',
  'name',
  'display_name',
  'description',
  'tags',
  'default_model_id',
  'capabilities',
  'tools',
  'initial_files',
  'mcpServers',
  'network_access',
  'max_iterations',
  'parallel_tool_calls',
] as const;

export function exportAgent(agent: Agent): string {
  const front: Record<string, unknown> = {};
  for (const key of EXPORTED) {
    const value = agent[key];
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) front[key] = value;
  }
  if (agent.harness_is_explicit) front['harness_id'] = agent.harness_id;
  return `---\n${stringify(front)}---\n\n${agent.system_prompt}\n`;
}

/** The body of a CreateAgent request that a document stands for; it still has to be validated. Throws `invalid_request`. */
export function importAgent(text: string): Record<string, unknown> {
  const source = text.replace(/^\uFEFF/, '');
  if (source.trim() === '') throw new PlatformError('invalid_request', 'The document is empty.', { field: 'body' });
  const front = FRONT_MATTER.exec(source);
  if (front !== null) {
    const fields = record(parseYaml(front[1] as string));
    if (fields === null) throw new PlatformError('invalid_request', 'The front matter must be a mapping.', { field: 'body' });
    const prompt = (front[2] as string).trim();
    return normalized(prompt === '' ? fields : { ...fields, system_prompt: prompt });
  }
  const whole = wholeDocument(source);
  return whole === null ? normalized({ system_prompt: source.trim() }) : normalized(whole);
}

/** A mapping with a prompt is a document; any other text is itself the prompt. */
function wholeDocument(source: string): Record<string, unknown> | null {
  if (source.trimStart().startsWith('{')) return record(parseYaml(source));
  try {
    const fields = record(parse(source, { maxAliasCount: MAX_ALIASES }));
    return fields !== null && typeof fields['system_prompt'] === 'string' ? fields : null;
  } catch {
    return null; // prose is often no YAML
  }
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: MAX_ALIASES });
  } catch (error) {
    const reason = reasonOf(error);
    throw new PlatformError('invalid_request', `The document is not valid: ${reason}`, { field: 'body' });
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be read';
  // The parser recurses, and says so in the words of the engine.
  if (error.message.includes('call stack')) return 'it is nested too deep';
  return error.message.split('\n')[0] as string;
}

/** Capabilities may be plain ids; the name may be missing or free text. */
function normalized(fields: Record<string, unknown>): Record<string, unknown> {
  const name = typeof fields['name'] === 'string' ? fields['name'] : '';
  const prompt = typeof fields['system_prompt'] === 'string' ? fields['system_prompt'] : '';
  const capabilities = fields['capabilities'];
  return {
    ...fields,
    name: slugOf(name, prompt),
    ...(name === '' || SLUG.test(name) || fields['display_name'] !== undefined ? {} : { display_name: name }),
    ...(Array.isArray(capabilities)
      ? { capabilities: capabilities.map((item: unknown) => (typeof item === 'string' ? { ref: item } : item)) }
      : {}),
  };
}

/** A generated name follows from the prompt, so that importing the same text twice updates. */
function slugOf(name: string, prompt: string): string {
  if (SLUG.test(name) && name.length <= MAX_NAME_LENGTH) return name;
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_NAME_LENGTH)
    .replace(/^-+|-+$/g, '');
  return slug === '' ? `imported-${createHash('sha256').update(prompt).digest('hex').slice(0, 12)}` : slug;
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}
