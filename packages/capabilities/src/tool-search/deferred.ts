import type { ToolSpec } from '@everruns/agent/capability';
import type { StoredMessage } from '@everruns/contract';
import { isRecord } from '@everruns/agent/objects';

export const TOOL_SEARCH = 'tool_search';

/** Tools that are used so often, or so much by themselves, that looking for them first would only cost. */
const NEVER_DEFERRED = new Set([TOOL_SEARCH, 'write_todos', 'bash', 'ask_user']);

const STUB = { type: 'object', properties: {}, additionalProperties: true };
const STUB_NOTE = `(Parameters: ask ${TOOL_SEARCH} first.)`;

export interface DeferralRules {
  /** From so many tools on parameters are held back. */
  threshold: number;
  /** Names that are always shown whole; a `*` at the end stands for anything. */
  neverDefer: readonly string[];
}

/** The tools with the parameters held back that the model has not asked for yet. What it has asked for is read from the history alone. */
export function deferredTools(tools: readonly ToolSpec[], history: readonly StoredMessage[], rules: DeferralRules): readonly ToolSpec[] {
  const revealed = revealedNames(history);
  return tools.map((tool) => (isDeferred(tool, tools.length, rules) && !revealed.has(tool.name) ? stubbed(tool) : tool));
}

function isDeferred(tool: ToolSpec, toolCount: number, { threshold, neverDefer }: DeferralRules): boolean {
  if (tool.deferrable === 'never' || NEVER_DEFERRED.has(tool.name) || neverDefer.some((pattern) => matches(pattern, tool.name)))
    return false;
  return tool.deferrable === 'always' || toolCount >= threshold;
}

function stubbed(tool: ToolSpec): ToolSpec {
  return { ...tool, description: `${tool.description} ${STUB_NOTE}`, parameters: STUB };
}

/** Tools that a search has shown, and those that were called: their parameters stay shown. */
export function revealedNames(history: readonly StoredMessage[]): Set<string> {
  const names = new Set<string>();
  const searches = new Set<string>();
  for (const { content } of history) {
    for (const part of content) {
      if (part.type === 'tool_call') {
        if (part.name === TOOL_SEARCH) searches.add(part.id);
        else names.add(part.name);
      }
      if (part.type === 'tool_result' && searches.has(part.tool_call_id)) for (const name of shownIn(part.result)) names.add(name);
    }
  }
  return names;
}

function shownIn(result: unknown): string[] {
  const tools = isRecord(result) && Array.isArray(result.tools) ? result.tools : [];
  return tools.flatMap((tool) => (isRecord(tool) && typeof tool.name === 'string' ? [tool.name] : []));
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
