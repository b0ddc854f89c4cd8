import { MAX_NAME_LENGTH } from '@everruns/contract';

/** The first of `x-copy`, `x-copy-2`, ... that is free. */
export async function freeCopyName(name: string, isFree: (name: string) => Promise<boolean>): Promise<string> {
  for (let n = 1; ; n++) {
    const suffix = n === 1 ? '-copy' : `-copy-${n}`;
    const candidate = name.slice(0, MAX_NAME_LENGTH - suffix.length).replace(/-+$/, '') + suffix;
    if (await isFree(candidate)) return candidate;
  }
}

export function copyDisplayName(source: { name: string; display_name: string | null }): string {
  return `${source.display_name ?? source.name} (copy)`;
}

/** The named members of a row. */
export function pick<T extends object>(row: T, keys: readonly (keyof T)[]): T {
  return Object.fromEntries(keys.map((key) => [key, row[key]])) as T;
}
