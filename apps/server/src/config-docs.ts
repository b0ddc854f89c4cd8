import { ENVIRONMENT } from './config.ts';

export const DOCS_BEGIN = '<!-- control plane: generated from apps/server/src/config.ts -->';
export const DOCS_END = '<!-- end of the generated part -->';

/** The table of the control plane's variables, for `docs/sre/environment-variables.md`. */
export function environmentTable(): string {
  const rows = Object.entries(ENVIRONMENT).map(([name, schema]) => {
    const { description, fallback } = schema.meta() as { description: string; fallback: string };
    return `| \`${name}\` | ${fallback} | ${description} |`;
  });
  return ['| Variable | Default | Meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The document with its generated part brought up to date. */
export function withEnvironmentTable(document: string): string {
  const begin = document.indexOf(DOCS_BEGIN);
  const end = document.indexOf(DOCS_END);
  if (begin < 0 || end < begin) throw new Error('The markers of the generated part are missing.');
  return `${document.slice(0, begin)}${DOCS_BEGIN}\n\n${environmentTable()}\n\n${document.slice(end)}`;
}
