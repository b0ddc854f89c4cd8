import { useState } from 'react';
import type { FormEvent, ReactNode } from 'react';
import type { UseMutationResult } from '@tanstack/react-query';
import { fieldError } from '../../data/changes.ts';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';

export interface Named {
  name: string;
  description: string | null;
}

interface NameFormProps<O> {
  given: { name: string; description?: string } | null;
  verb: string;
  save: UseMutationResult<O, Error, Named>;
  onDone: (saved: O) => void;
  /** More fields. */
  children?: ReactNode;
}

/** What every building block has. */
export function NameForm<O>({ given, verb, save, onDone, children }: NameFormProps<O>) {
  const [name, setName] = useState(given?.name ?? '');
  const [about, setAbout] = useState(given?.description ?? '');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate({ name: name.trim(), description: about.trim() === '' ? null : about.trim() }, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label="Name"
        required
        value={name}
        error={fieldError(save.error, 'name')}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label="Description"
        hint="Agents read it to know what is in there."
        value={about}
        error={fieldError(save.error, 'description')}
        onChange={(event) => setAbout(event.target.value)}
      />
      {children}
      {save.error !== null && <ErrorNote error={save.error} />}
      <Button kind="primary" type="submit" className="self-end" disabled={save.isPending}>
        {verb}
      </Button>
    </form>
  );
}
