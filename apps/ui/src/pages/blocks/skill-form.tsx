import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { FormEvent } from 'react';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { TextArea } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';

type Skill = Schemas['Skill'];

const BEGINNING = `---
name: my-skill
description: What it is for, and when to use it.
---

# Steps

1. First do this.
`;
const TYPING_MS = 400;

/** A skill as the text of its SKILL.md; what is wrong with it shows while it is written. */
export function SkillTextForm({
  skill,
  text: given,
  onDone,
}: {
  skill: Skill | null;
  text: string | null;
  onDone: (skill: Skill) => void;
}) {
  const [text, setText] = useState(given ?? BEGINNING);
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const { data: check } = useQuery({
    queryKey: scoped('skill-check', settled),
    queryFn: () => api.post('/v1/skills/validate', { body: { skill_md: settled } }),
    enabled: settled.trim() !== '',
    gcTime: 10_000,
  });
  const save = useChange(
    () =>
      skill === null
        ? api.post('/v1/skills', { body: { skill_md: text } })
        : api.patch('/v1/skills/{id}', { params: { path: { id: skill.id } }, body: { skill_md: text } }),
    'skills',
    'capabilities',
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate(undefined, { onSuccess: onDone });
  };
  const errors = settled === text ? (check?.errors ?? []) : [];
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextArea
        label="SKILL.md"
        rows={14}
        spellCheck={false}
        className="font-mono text-[13px]"
        value={text}
        error={errors.length > 0 ? errors.join(' ') : undefined}
        onChange={(event) => setText(event.target.value)}
      />
      {settled === text &&
        check?.warnings?.map((warning) => (
          <p key={warning} className="rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
            {warning}
          </p>
        ))}
      {save.error !== null && <ErrorNote error={save.error} />}
      <div className="flex items-center justify-end gap-3">
        <p role="status" className="text-sm text-ink-soft">
          {save.isSuccess && skill !== null ? 'Saved' : ''}
        </p>
        <Button kind="primary" type="submit" disabled={save.isPending || text.trim() === '' || (skill !== null && text === given)}>
          {skill === null ? 'Add skill' : 'Save'}
        </Button>
      </div>
    </form>
  );
}

/** A skill with files, as a zip. */
export function SkillUpload({ onDone }: { onDone: (skill: Skill) => void }) {
  const [file, setFile] = useState<File | null>(null);
  const upload = useChange(
    async (chosen: File) => {
      const form = new FormData();
      form.set('file', chosen);
      return api.post('/v1/skills/upload', { body: { file: chosen.name }, bodySerializer: () => form });
    },
    'skills',
    'capabilities',
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (file !== null) upload.mutate(file, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <p className="text-sm text-ink-soft">A zip with a SKILL.md at its top, and the files that it speaks of.</p>
      <label className="flex flex-col gap-1.5 text-sm font-medium">
        Archive
        <input
          type="file"
          accept=".zip,application/zip"
          required
          className="text-sm font-normal file:mr-3 file:h-9 file:rounded-lg file:border file:border-line file:bg-surface file:px-3 file:text-ink"
          onChange={({ target }) => setFile(target.files?.[0] ?? null)}
        />
      </label>
      {upload.error !== null && <ErrorNote error={upload.error} />}
      <Button kind="primary" type="submit" className="self-end" disabled={file === null || upload.isPending}>
        {upload.isPending ? 'Uploading' : 'Add skill'}
      </Button>
    </form>
  );
}
