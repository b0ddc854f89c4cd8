import { clampedPath } from './paths.ts';

/**
 * The regular expression, in PostgreSQL's dialect, for what a caller means by a place to look in. With `*`, `**` or `?` it is a pattern of whole paths, or of
 * names alone when it has no slash; else it is a file, or a directory with all that is below it.
 */
export function pathRegex(pattern: string): string {
  if (!/[*?]/.test(pattern)) {
    const { path = '/' } = clampedPath(pattern);
    return path === '/' ? '^/' : `^${escaped(path)}(/|$)`;
  }
  const inner = pattern.replace(/^(\/workspace)?\/+/, '');
  const anchor = pattern.includes('/') ? '^/' : '(^|/)';
  return `${anchor}${translated(inner)}$`;
}

function translated(pattern: string): string {
  return pattern.replace(/\*\*\/|\*\*|\*|\?|[^*?]+/g, (part) => {
    if (part === '**/') return '(.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : escaped(part);
  });
}

function escaped(text: string): string {
  return text.replace(/[\\^$.|+()[\]{}*?]/g, '\\$&');
}
