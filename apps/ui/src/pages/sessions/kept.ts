import { useState } from 'react';
import { useLog } from './log-context.ts';

/** What somebody opened stays open while it is scrolled out of sight and back. */
const OPENED = new WeakMap<object, Map<string, boolean>>();

export function useKept(key: string, initial: boolean): [boolean, (value: boolean) => void] {
  const log = useLog();
  const [value, setValue] = useState(() => OPENED.get(log)?.get(key) ?? null);
  return [
    value ?? initial,
    (next) => {
      const opened = OPENED.get(log) ?? new Map<string, boolean>();
      OPENED.set(log, opened.set(key, next));
      setValue(next);
    },
  ];
}
