import type { IdSource, Uuid } from '@everruns/contract';

/** Ids that count: short to print, in the form of UUIDs, and different in both halves. */
export function countingIds(): IdSource & { named(letter: string): Uuid } {
  let n = 0;
  const make = (version: string, letter: string): Uuid => {
    const hex = (++n).toString(16).padStart(7, '0');
    return `${letter}${hex}-0000-${version}000-8000-0000${letter}${hex}`;
  };
  return { next: () => make('7', '0'), random: () => make('4', '0'), named: (letter) => make('7', letter) };
}

/** The part of an id that tells it from others, for traces. */
export function short(id: string | null): string {
  if (id === null) return '-';
  const [first = ''] = id.split('-');
  return first.replace(/^(.)0*(?=.)/, '$1');
}
