import type { JsonObject, ToolSpec } from '@everruns/agent/capability';

/** Serialised size of all tools in one answer. */
const MAX_ANSWER_BYTES = 48 * 1024;

/** The tools that fit a query best, with their parameters in full; the same query on the same tools finds the same. */
export function findTools(tools: readonly ToolSpec[], query: string, maxResults: number): JsonObject {
  const words = wordsOf(query);
  const ranked = tools
    .map((tool) => ({ tool, score: scoreOf(tool, words, query) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || (a.tool.name < b.tool.name ? -1 : 1));
  const found: JsonObject[] = [];
  let bytes = 0;
  for (const { tool } of ranked.slice(0, maxResults)) {
    const shown: JsonObject = { name: tool.name, description: tool.description, parameters: tool.parameters };
    bytes += Buffer.byteLength(JSON.stringify(shown));
    if (bytes > MAX_ANSWER_BYTES && found.length > 0) break;
    found.push(shown);
  }
  if (found.length > 0) return { tools: found, matches: ranked.length };
  return { tools: [], matches: 0, hint: 'No tool fits. Try other words, or the name of a tool.' };
}

function scoreOf({ name, description, parameters }: ToolSpec, words: readonly string[], query: string): number {
  if (query.trim().toLowerCase() === name.toLowerCase()) return 1_000;
  const inName = new Set(wordsOf(name));
  const inDescription = new Set(wordsOf(description));
  const inParameters = new Set(wordsOf(Object.keys((parameters.properties as JsonObject | undefined) ?? {}).join(' ')));
  return words.reduce(
    (score, word) => score + (has(inName, word) ? 10 : 0) + (has(inDescription, word) ? 3 : 0) + (has(inParameters, word) ? 1 : 0),
    0,
  );
}

/** A word counts in its singular and plural alike. */
function has(words: ReadonlySet<string>, word: string): boolean {
  return words.has(word) || words.has(`${word}s`) || (word.endsWith('s') && words.has(word.slice(0, -1)));
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
