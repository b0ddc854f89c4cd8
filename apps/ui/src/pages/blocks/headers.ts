/** Headers as `Name: value` lines. What is no header is told by its line. */
export function readHeaders(text: string): { headers: Record<string, string> } | { problem: string } {
  const headers: Record<string, string> = {};
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '') continue;
    const at = line.indexOf(':');
    if (at < 1) return { problem: `"${line}" is no header: write Name: value.` };
    headers[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return { headers };
}
