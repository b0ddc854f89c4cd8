import { stripVTControlCharacters, styleText } from 'node:util';

/** A column of a table: its title, and what stands in it. */
type Column<T> = readonly [title: string, cell: (row: T) => unknown];

export interface Terminal {
  write(text: string): void;
  isTTY: boolean;
  columns: number;
}

/** Commands say what they found; this decides how it looks. With `--json` standard output has JSON and nothing else. */
export interface Output {
  readonly isJson: boolean;
  /** One thing, or a list of them. */
  show(value: unknown, text: () => string): void;
  table<T>(rows: readonly T[], columns: readonly Column<T>[], empty: string): void;
  /** A line for people, on standard error: never part of what a script reads. */
  note(text: string): void;
  /** Text as it comes in, for people only. */
  stream(text: string): void;
  dim(text: string): string;
  bold(text: string): string;
}

const GAP = '  ';

export function createOutput(stdout: Terminal, stderr: Terminal, { json, quiet }: { json: boolean; quiet: boolean }): Output {
  const styled = (style: 'dim' | 'bold', text: string, target: Terminal): string => (target.isTTY ? styleText(style, text) : text);
  const print = (value: unknown): void => stdout.write(`${JSON.stringify(value, null, stdout.isTTY ? 2 : 0)}\n`);
  return {
    isJson: json,
    show(value, text) {
      if (json) return print(value);
      if (quiet) return stdout.write(`${idsOf(value).join('\n')}\n`);
      stdout.write(`${text()}\n`);
    },
    table(rows, columns, empty) {
      if (json) return print(rows);
      if (quiet)
        return stdout.write(
          rows
            .flatMap(idsOf)
            .map((id) => `${id}\n`)
            .join(''),
        );
      if (rows.length === 0) return stderr.write(`${empty}\n`);
      stdout.write(tableOf(rows, columns, { width: stdout.isTTY ? stdout.columns : null, bold: (text) => styled('bold', text, stdout) }));
    },
    note: (text) => {
      if (!quiet) stderr.write(`${text}\n`);
    },
    stream: (text) => {
      if (!json) stdout.write(text);
    },
    dim: (text) => styled('dim', text, stderr),
    bold: (text) => styled('bold', text, stderr),
  };
}

function idsOf(value: unknown): string[] {
  const id = (value as { id?: unknown } | null)?.id;
  return typeof id === 'string' ? [id] : [];
}

interface TableStyle {
  /** Null: as wide as it gets, for files and pipes. */
  width: number | null;
  bold: (text: string) => string;
}

/** The last column gives way when a line would be too long. */
function tableOf<T>(rows: readonly T[], columns: readonly Column<T>[], { width, bold }: TableStyle): string {
  const cells = rows.map((row) => columns.map(([, cell]) => cellText(cell(row))));
  const widths = columns.map(([title], index) => Math.max(title.length, ...cells.map((row) => row[index]?.length ?? 0)));
  const line = (row: readonly string[]): string => {
    const text = row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))).join(GAP);
    return width !== null && text.length > width ? `${text.slice(0, Math.max(1, width - 1))}…` : text;
  };
  return `${[bold(line(columns.map(([title]) => title))), ...cells.map(line)].join('\n')}\n`;
}

/** One line, and nothing that a terminal would obey: much of it was written by models and strangers. */
export function cellText(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value as number | boolean);
  return printable(text).replaceAll(/\s+/g, ' ').trim();
}

/** Without escape sequences and control characters, except line breaks and tabs. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/(?![\n\t])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, '');
}

/** `name: value`, one a line. */
export function fields(value: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(value).filter(([, each]) => each !== undefined && each !== null && each !== '');
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, each]) => `${name.padEnd(width)}  ${cellText(each)}`).join('\n');
}
