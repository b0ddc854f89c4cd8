import { useState } from 'react';
import { TextArea } from '../../ui/fields.tsx';
import { readJson } from './schema-form.ts';

interface JsonFieldProps {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  value: unknown;
  onChange: (value: unknown) => void;
  wanted?: 'array' | 'object' | 'any';
  rows?: number;
  readOnly?: boolean;
}

/** JSON as text. Its form cannot be sent while it does not read as what is wanted. */
export function JsonField({ label, hint, error, value, onChange, wanted = 'any', rows = 6, readOnly = false }: JsonFieldProps) {
  const [text, setText] = useState(() => written(value));
  const [problem, setProblem] = useState<string>();
  const [told, setTold] = useState({ text: written(value), version: 0 });
  // Somebody else has changed the value: what was typed is about another one.
  if (told.text !== written(value)) {
    setTold({ text: written(value), version: told.version + 1 });
    setText(written(value));
    setProblem(undefined);
  }
  return (
    <TextArea
      key={told.version}
      label={label}
      {...(hint !== undefined && { hint })}
      error={problem ?? error}
      spellCheck={false}
      readOnly={readOnly}
      rows={rows}
      className="font-mono text-[13px]"
      value={text}
      onChange={(event) => {
        const entry = readJson(event.target.value, wanted);
        setText(event.target.value);
        setProblem(entry.problem);
        event.target.setCustomValidity(entry.problem ?? '');
        if (entry.problem !== undefined) return;
        setTold({ ...told, text: written(entry.value) });
        onChange(entry.value);
      }}
    />
  );
}

/** What is empty is not written at all. */
function written(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' && Object.keys(value).length === 0 ? '' : JSON.stringify(value, null, 2);
}
