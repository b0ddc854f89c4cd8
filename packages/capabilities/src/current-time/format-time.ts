export const TIME_FORMATS = ['iso8601', 'unix', 'human'] as const;
export type TimeFormat = (typeof TIME_FORMATS)[number];

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    // The constructor's RangeError is the only test that the platform offers.
    return false;
  }
}

/** The moment as a text in the time zone, or, for `unix`, as whole seconds since 1970. */
export function formatTime(at: Date, timeZone: string, format: TimeFormat): { datetime: string } | { timestamp: number } {
  switch (format) {
    case 'unix':
      return { timestamp: Math.floor(at.getTime() / 1_000) };
    case 'human':
      return { datetime: new Intl.DateTimeFormat('en-US', { timeZone, dateStyle: 'full', timeStyle: 'long' }).format(at) };
    case 'iso8601':
      return { datetime: toIso8601(at, timeZone) };
  }
}

/** Local time with its offset, e.g. `2026-01-02T05:04:05+02:00`; `Z` for an offset of zero. */
function toIso8601(at: Date, timeZone: string): string {
  const formatter = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'longOffset',
  });
  const part = Object.fromEntries(formatter.formatToParts(at).map(({ type, value }) => [type, value]));
  const offset = part.timeZoneName?.replace('GMT', '') ?? '';
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}${offset === '' || offset === '+00:00' ? 'Z' : offset}`;
}
