/** The value below which `share` (0 to 1) of the values lie; null of none. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null;
}

const BAR_CHARACTERS = 40;

/** One line per bucket of `bucketMs`, up to the last one with something in it. */
export function histogram(valuesMs: readonly number[], bucketMs: number): string[] {
  if (valuesMs.length === 0) return [];
  const counts = new Map<number, number>();
  for (const value of valuesMs) counts.set(Math.floor(value / bucketMs), (counts.get(Math.floor(value / bucketMs)) ?? 0) + 1);
  const highest = Math.max(...counts.values());
  return Array.from({ length: Math.max(...counts.keys()) + 1 }, (_, bucket) => {
    const count = counts.get(bucket) ?? 0;
    const bar = '#'.repeat(Math.ceil((count / highest) * BAR_CHARACTERS));
    return `${String(bucket * bucketMs).padStart(6)} ms ${String(count).padStart(5)} ${bar}`.trimEnd();
  });
}
