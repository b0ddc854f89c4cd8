import type { Row } from '../database.ts';

export interface Page<T> {
  total: number;
  rows: T[];
}

/** A row of a paged list: the total on every row, and one row of nothing but the total when the page is empty. */
export type PageRow<T extends Row> = T & { total: number };

export function toPage<T extends Row & { id: string }>(rows: PageRow<T>[]): Page<T> {
  return { total: rows[0]?.total ?? 0, rows: rows.filter((row) => row.id !== null) };
}
