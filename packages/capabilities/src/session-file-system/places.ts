import type { ToolContext } from '@everruns/agent/capability';
import { clampedPath, shownPath } from '@everruns/contract/files/paths';
import type { OpFile } from '@everruns/contract';

/** What a model can mend: it ends the call with these words. */
export class ToolRefusal extends Error {
  override readonly name = 'ToolRefusal';
}

/** The stored form of a path that a model wrote. */
export function storedPath(given: unknown): string {
  if (typeof given !== 'string') throw new ToolRefusal('A path must be text.');
  const { path, problem } = clampedPath(given);
  if (problem !== undefined) throw new ToolRefusal(problem);
  return path;
}

/** A count within bounds, or its default. */
export function countOf(
  given: unknown,
  { name, fallback, min, max }: { name: string; fallback: number; min: number; max: number },
): number {
  if (given === undefined) return fallback;
  const count = Number(given);
  if (count < min) throw new ToolRefusal(`${name} must be at least ${min}.`);
  return Math.min(count, max);
}

export async function fileAt(ctx: ToolContext, path: string, content: 'none' | 'text' | 'text_or_image'): Promise<OpFile | null> {
  if (path === '/') return ROOT;
  return (await ctx.session.call('files.read', { paths: [path], content })).files[0] ?? null;
}

export function missing(path: string): ToolRefusal {
  return new ToolRefusal(`There is no ${shownPath(path)}. list_directory shows what is there.`);
}

/** The workspace itself has no row. */
const ROOT: OpFile = { path: '/', is_directory: true, is_readonly: false, is_binary: false, size_bytes: 0, created_at: '', updated_at: '' };
