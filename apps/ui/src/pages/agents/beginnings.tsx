import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { useChange } from '../../data/changes.ts';
import { scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea } from '../../ui/fields.tsx';
import { Badge, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { CALLS } from './kinds.ts';
import type { Kind } from './kinds.ts';
import { WORDS } from './words.ts';

interface BeginningProps {
  kind: Kind;
  open: boolean;
  onClose: () => void;
}

/** Makes one from a document, chosen or pasted. */
export function ImportDialog({ kind, open, onClose }: BeginningProps) {
  const { things, importDocument } = CALLS[kind];
  const [text, setText] = useState('');
  const navigate = useNavigate();
  const bring = useChange(importDocument, things);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    bring.mutate(text, {
      onSuccess: ({ name }) => {
        onClose();
        setText('');
        void navigate({ to: `/${things}/$idOrName`, params: { idOrName: name } });
      },
    });
  };
  return (
    <Dialog title={`Import ${WORDS[kind].one}`} open={open} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <p className="text-sm text-ink-soft">
          A document as it is exported: Markdown with front matter, YAML or JSON. One that names an existing {WORDS[kind].one} changes it.
        </p>
        <label className="flex flex-col gap-1.5 text-sm font-medium">
          File
          <input
            type="file"
            accept=".md,.markdown,.yaml,.yml,.json,text/*"
            className="text-sm font-normal file:mr-3 file:h-9 file:rounded-lg file:border file:border-line file:bg-surface file:px-3 file:text-ink"
            onChange={({ target }) => void target.files?.[0]?.text().then(setText)}
          />
        </label>
        <TextArea
          label="Document"
          rows={10}
          className="font-mono text-[13px]"
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {bring.error !== null && <ErrorNote error={bring.error} />}
        <Button kind="primary" type="submit" className="self-end" disabled={text.trim() === '' || bring.isPending}>
          {bring.isPending ? 'Importing' : 'Import'}
        </Button>
      </form>
    </Dialog>
  );
}

/** Ready-made ones to begin with. */
export function ExamplesDialog({ kind, open, onClose }: BeginningProps) {
  return (
    <Dialog title="Examples" open={open} onClose={onClose}>
      <Examples kind={kind} onDone={onClose} />
    </Dialog>
  );
}

function Examples({ kind, onDone }: { kind: Kind; onDone: () => void }) {
  const { things, examples, useExample } = CALLS[kind];
  const navigate = useNavigate();
  const { data, error, refetch } = useQuery({ queryKey: scoped('examples', kind), queryFn: examples, staleTime: Infinity });
  const take = useChange(useExample, things);
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={6} />;
  const use = (example: string): void =>
    take.mutate(example, {
      onSuccess: ({ name }) => {
        onDone();
        void navigate({ to: `/${things}/$idOrName`, params: { idOrName: name } });
      },
    });
  return (
    <div className="flex flex-col gap-3">
      {take.error !== null && <ErrorNote error={take.error} />}
      <ul className="flex flex-col gap-2">
        {data.map(({ name, display_name, description, tags }) => (
          <li key={name} className="flex items-center gap-3 rounded-lg border border-line px-3 py-2.5">
            <div className="min-w-0 grow">
              <p className="flex flex-wrap items-center gap-2 text-sm font-medium">
                {display_name}
                {tags
                  .filter((tag) => tag !== 'example')
                  .map((tag) => (
                    <Badge key={tag}>{tag}</Badge>
                  ))}
              </p>
              <p className="text-[13px] text-ink-soft">{description}</p>
            </div>
            <Button aria-label={`Use ${display_name}`} disabled={take.isPending} onClick={() => use(name)}>
              Use
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
