const FIRST_MS = 50;
const MAX_MS = 2_000;
const JITTER = 0.2;

/** Milliseconds before the next attempt to attach after so many that failed in a row; none means at once. `random` is in [0, 1). */
export function reconnectDelayMs(failures: number, random: () => number): number {
  if (failures === 0) return 0;
  const backoff = Math.min(FIRST_MS * 2 ** (failures - 1), MAX_MS);
  return Math.round(backoff * (1 + JITTER * (2 * random() - 1)));
}
