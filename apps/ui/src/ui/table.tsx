import type { ReactNode } from 'react';

export interface TableColumn<T> {
  title: string;
  cell: (row: T) => ReactNode;
  /** Left out on phones. */
  wide?: boolean;
  align?: 'right';
}

/** Rows of one kind. On a phone the less important columns go. */
export function Table<T>({
  label,
  rows,
  columns,
  rowKey,
}: {
  label: string;
  rows: readonly T[];
  columns: readonly TableColumn<T>[];
  rowKey: (row: T) => string;
}) {
  return (
    // It can be scrolled with the keyboard where it does not fit.
    <div role="region" aria-label={label} tabIndex={0} className="relative overflow-x-auto rounded-xl border border-line bg-surface">
      <table className="w-full border-collapse text-sm">
        <thead>
          <tr className="border-b border-line text-left text-[13px] text-ink-faint">
            {columns.map(({ title, wide, align }) => (
              <th
                key={title}
                scope="col"
                className={`px-4 py-2.5 font-medium ${wide === true ? 'hidden md:table-cell' : ''} ${align === 'right' ? 'text-right' : ''}`}
              >
                {title === '' ? <span className="sr-only">Actions</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className="border-b border-line last:border-0 hover:bg-sunken/60">
              {columns.map(({ title, cell, wide, align }) => (
                <td
                  key={title}
                  className={`px-4 py-2.5 align-middle ${wide === true ? 'hidden md:table-cell' : ''} ${align === 'right' ? 'text-right' : ''}`}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
