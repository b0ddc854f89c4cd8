/** What usage is looked at over, in pieces that each are one bar. */
export const PERIODS = {
  '7d': { title: 'Last 7 days', pieces: 7, days: 1 },
  '14d': { title: 'Last 14 days', pieces: 14, days: 1 },
  '12w': { title: 'Last 12 weeks', pieces: 12, days: 7 },
} as const;
export type Period = keyof typeof PERIODS;

export const isPeriod = (value: unknown): value is Period => typeof value === 'string' && Object.hasOwn(PERIODS, value);

export interface Piece {
  /** Midnight where the browser is. */
  from: Date;
  to: Date;
}

/** The pieces of a period, the last of which contains `now`. Days have the length that they have: 23 to 25 hours. */
export function piecesOf(period: Period, now: Date): Piece[] {
  const { pieces, days } = PERIODS[period];
  const midnight = (daysFromToday: number): Date => new Date(now.getFullYear(), now.getMonth(), now.getDate() + daysFromToday);
  return Array.from({ length: pieces }, (_, index) => {
    const end = 1 - (pieces - 1 - index) * days;
    return { from: midnight(end - days), to: midnight(end) };
  });
}

const DAY = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });

/** `Nov 3`, or `Nov 3 – 9` of several days. */
export function pieceText({ from, to }: Piece): string {
  const last = new Date(to.getFullYear(), to.getMonth(), to.getDate() - 1);
  return last.getTime() === from.getTime() ? DAY.format(from) : DAY.formatRange(from, last);
}
