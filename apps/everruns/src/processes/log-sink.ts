import { createWriteStream, renameSync, statSync } from 'node:fs';

/** Keeps a child's output in a file and picks out what people should see at once. */
export interface LogSink {
  write(chunk: Buffer): void;
  /** The last line since the last question that tells a cause, for the message about the child's end. */
  takeCause(): string | undefined;
  close(): void;
}

const MAX_BYTES = 20 * 1024 * 1024;
const WARNING = 40;
const ERROR = 50;
/** Of text without a level, as programs write it before they have a logger. */
const PLAIN = 1;

/** A file that has grown large is put aside, so that two are kept at most. */
export function openLogSink(file: string, show: (line: string) => void): LogSink {
  rotate(file);
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  stream.on('error', () => undefined); // a full disk must not end the processes whose output this is
  let rest = '';
  let cause: string | undefined;
  let lastWords: string | undefined;
  return {
    write(chunk) {
      stream.write(chunk);
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { level, text } = readLine(line);
        if (level >= ERROR) cause = text;
        if (level === PLAIN) lastWords = text;
        if (level >= WARNING) show(text);
      }
    },
    takeCause() {
      const taken = cause ?? lastWords;
      cause = lastWords = undefined;
      return taken;
    },
    close: () => stream.end(),
  };
}

/** A structured line has a level of its own; of a crash's plain text the line with the error's name counts most, and what is indented not at all. */
export function readLine(line: string): { level: number; text: string } {
  try {
    const entry = JSON.parse(line) as { level?: number; msg?: string; err?: { message?: string } };
    const detail = entry.err?.message === undefined || entry.msg === entry.err.message ? '' : `: ${entry.err.message}`;
    return { level: entry.level ?? 0, text: `${entry.msg ?? line}${detail}` };
  } catch {
    if (/^(?:Uncaught )?\w*(?:Error|Exception)\b.*:|^FATAL ERROR|^<--- Last/.test(line)) return { level: ERROR, text: line };
    return { level: /^\s|^$|^Node\.js v|:\d+$/.test(line) ? 0 : PLAIN, text: line };
  }
}

function rotate(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_BYTES) renameSync(file, `${file}.1`);
}
