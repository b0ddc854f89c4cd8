import { Link, useBlocker, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useId, useRef, useState } from 'react';
import type { FormEvent } from 'react';
import { ApiError } from '@everruns/client';
import { fieldError, useChange, useMay } from '../../data/changes.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { classes } from '../../ui/classes.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Badge, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { nameFrom } from './draft.ts';
import type { Draft } from './draft.ts';
import { EditorActions } from './editor-actions.tsx';
import { showFirst } from './first-problem.ts';
import { CALLS } from './kinds.ts';
import type { Entity, Kind } from './kinds.ts';
import { ParentChain } from './parent-chain.tsx';
import { LivePreview } from './preview.tsx';
import type { EditorSearch } from './routes.ts';
import { Settings } from './settings.tsx';
import { Stats } from './stats.tsx';
import { WORDS } from './words.ts';

/** It brings what shows Markdown. */
const TryIt = lazy(async () => ({ default: (await import('./try-it.tsx')).TryIt }));

interface EditorFormProps {
  kind: Kind;
  /** Null: it is not there yet. */
  entity: Entity | null;
  given: Draft;
  search: EditorSearch;
}

export function EditorForm({ kind, entity, given, search }: EditorFormProps) {
  const { draft, change, isDirty, save, reset, problem, form } = useEditing(kind, entity, given);
  const { manage } = useMay(kind);
  const isBuiltIn = entity !== null && 'is_built_in' in entity && entity.is_built_in;
  const readOnly = isBuiltIn || (entity !== null && (entity.status !== 'active' || !manage));
  const errorAt = (field: string): string | undefined => problem(field);
  const part = { draft, change, errorAt, readOnly };
  const title = entity === null ? WORDS[kind].make : (entity.display_name ?? entity.name);
  return (
    <Page
      title={title}
      about={<About kind={kind} entity={entity} isBuiltIn={isBuiltIn} />}
      actions={entity !== null && <EditorActions kind={kind} entity={entity} isBuiltIn={isBuiltIn} />}
    >
      {entity !== null && <Views kind={kind} entity={entity} search={search} />}
      {search.view === 'stats' && entity !== null && <Stats kind={kind} id={entity.id} />}
      {/* It stays while another view is looked at, with what was typed. */}
      <div hidden={search.view === 'stats'}>
        <div className="grid items-start gap-8 lg:grid-cols-[minmax(0,1fr)_24rem]">
          <form ref={form} id="editor" noValidate onSubmit={save.submit} className="contents">
            <fieldset disabled={readOnly} className={classes('flex min-w-0 flex-col gap-6', search.side === 'try' && 'max-lg:hidden')}>
              {save.error !== null && <ErrorNote error={save.error} />}
              {kind === 'harness' && <ParentChain parentId={draft.base} />}
              <Names {...part} isNew={entity === null} />
              <PromptField {...part} kind={kind} />
              <LivePreview kind={kind} draft={draft} />
            </fieldset>
            <fieldset disabled={readOnly} className="min-w-0" hidden={search.side === 'try'}>
              <Settings {...part} kind={kind} ownId={entity?.id ?? null} />
            </fieldset>
          </form>
          {entity !== null && search.side === 'try' && (
            <div className="lg:sticky lg:top-6">
              <Suspense fallback={<Skeleton rows={8} />}>
                <TryIt of={kind === 'agent' ? { agent_id: entity.id } : { harness_id: entity.id }} isUnsaved={isDirty} />
              </Suspense>
            </div>
          )}
        </div>
        {(isDirty || entity === null) && <SaveBar isNew={entity === null} isPending={save.isPending} onDiscard={reset} />}
      </div>
      <LeaveGuard isDirty={isDirty} />
    </Page>
  );
}

function useEditing(kind: Kind, entity: Entity | null, given: Draft) {
  const { things, isFree, create, update, draftOf } = CALLS[kind];
  const [draft, setDraft] = useState(given);
  const [base, setBase] = useState(() => JSON.stringify(given));
  const isDirty = JSON.stringify(draft) !== base;
  // What is saved has changed: whoever has changed nothing sees it, whoever has keeps what was typed.
  if (base !== JSON.stringify(given)) {
    setBase(JSON.stringify(given));
    if (!isDirty) setDraft(given);
  }
  const [taken, setTaken] = useState<string | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const navigate = useNavigate();
  const saving = useChange(async (): Promise<Entity | null> => {
    // A new one under a name that exists would take the place of the old one.
    const isNewName = draft.name !== (entity?.name ?? '');
    if (isNewName && /^[a-z0-9-]+$/.test(draft.name) && !(await isFree(draft.name))) return null;
    return entity === null ? create(draft) : update(entity.id, draft);
  });
  const problem = (field: string): string | undefined => {
    if (field === 'name' && taken !== null && taken === draft.name) return 'There is one with this name already. Choose another.';
    return fieldError(saving.error, field);
  };
  useEffect(() => {
    if (saving.error instanceof ApiError || taken !== null) showFirst(form.current, '[aria-invalid="true"]');
  }, [saving.error, taken]);
  const accept = (saved: Entity): void => {
    for (const known of [saved.id, saved.name]) queryClient.setQueryData(scoped(things, 'one', known), saved);
    // What was typed while it was being saved is still to be saved.
    setDraft((now) => (now === draft ? draftOf(saved) : now));
    if (saved.name !== entity?.name) {
      const to = `/${things}/$idOrName` as const;
      void navigate({ to, params: { idOrName: saved.name }, ignoreBlocker: true, replace: entity !== null });
    }
    // The one under its old name is not asked for again.
    void queryClient.invalidateQueries({ queryKey: scoped(things), predicate: ({ queryKey }) => queryKey[2] !== 'one' });
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (form.current?.checkValidity() === false) return showFirst(form.current, ':invalid:not(fieldset)');
    setTaken(null);
    saving.mutate(undefined, { onSuccess: (saved) => (saved === null ? setTaken(draft.name) : accept(saved)) });
  };
  return {
    draft,
    change: (part: Partial<Draft>) => setDraft((now) => ({ ...now, ...part })),
    isDirty,
    reset: () => setDraft(given),
    save: { submit, error: saving.error, isPending: saving.isPending },
    problem,
    form,
  };
}

function About({ kind, entity, isBuiltIn }: { kind: Kind; entity: Entity | null; isBuiltIn: boolean }) {
  if (entity === null) return WORDS[kind].about;
  return (
    <span className="flex flex-wrap items-center gap-2">
      <code className="font-mono text-[13px]">{entity.name}</code>
      {entity.status === 'archived' && <Badge tone="warn">archived: it takes no new sessions</Badge>}
      {isBuiltIn && <Badge>built in: copy it to change it</Badge>}
    </span>
  );
}

const TAB = 'border-b-2 px-1 pb-2 text-sm font-medium';

function Views({ kind, entity, search }: { kind: Kind; entity: Entity; search: EditorSearch }) {
  const places: readonly { title: string; search: EditorSearch }[] = [
    { title: 'Edit', search: {} },
    ...(entity.status === 'active' ? [{ title: 'Try it', search: { side: 'try' as const } }] : []),
    { title: 'Stats', search: { view: 'stats' } },
  ];
  return (
    <nav aria-label={`Views of this ${WORDS[kind].one}`} className="mb-6 flex gap-5 border-b border-line">
      {places.map((place) => {
        const isHere = place.search.view === search.view && place.search.side === search.side;
        return (
          <Link
            key={place.title}
            to={kind === 'agent' ? '/agents/$idOrName' : '/harnesses/$idOrName'}
            params={{ idOrName: entity.name }}
            search={place.search}
            resetScroll={false}
            {...(isHere && { 'aria-current': 'page' as const })}
            className={`${TAB} ${isHere ? 'border-accent text-accent' : 'border-transparent text-ink-soft hover:text-ink'}`}
          >
            {place.title}
          </Link>
        );
      })}
    </nav>
  );
}

interface PartProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  errorAt: (field: string) => string | undefined;
}

function Names({ draft, change, errorAt, isNew }: PartProps & { isNew: boolean }) {
  const isNameFollowing = isNew && draft.name === nameFrom(draft.displayName);
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <TextField
        label="Title"
        placeholder="Shop helper"
        value={draft.displayName}
        error={errorAt('display_name')}
        onChange={({ target: { value } }) => change({ displayName: value, ...(isNameFollowing && { name: nameFrom(value) }) })}
      />
      <TextField
        label="Name"
        hint="In addresses and programs: lower-case letters, digits, hyphens."
        required
        pattern="[a-z0-9]+(-[a-z0-9]+)*"
        maxLength={64}
        className="font-mono"
        value={draft.name}
        error={errorAt('name')}
        onChange={(event) => change({ name: event.target.value })}
      />
    </div>
  );
}

function PromptField({ kind, draft, change, errorAt }: PartProps & { kind: Kind }) {
  const id = useId();
  const error = errorAt('system_prompt');
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="text-base font-semibold">
        {WORDS[kind].prompt}
      </label>
      <textarea
        id={id}
        placeholder={WORDS[kind].promptHint}
        value={draft.prompt}
        required={kind === 'agent'}
        {...(error !== undefined && { 'aria-invalid': true, 'aria-describedby': `${id}-error` })}
        onChange={(event) => change({ prompt: event.target.value })}
        className="field-sizing-content max-h-[70dvh] min-h-64 w-full rounded-xl border border-line-strong bg-surface px-4 py-3 leading-relaxed disabled:bg-sunken disabled:text-ink-faint aria-invalid:border-bad"
      />
      {error !== undefined && (
        <p id={`${id}-error`} role="alert" className="text-[13px] text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

function SaveBar({ isNew, isPending, onDiscard }: { isNew: boolean; isPending: boolean; onDiscard: () => void }) {
  return (
    <div className="sticky bottom-4 z-10 mt-6 flex items-center justify-end gap-3 rounded-xl border border-line bg-surface px-4 py-2.5 shadow-lg">
      <p role="status" className="mr-auto text-sm text-ink-soft">
        {isNew ? 'Not created yet' : 'Unsaved changes'}
      </p>
      {!isNew && (
        <Button kind="quiet" onClick={onDiscard} disabled={isPending}>
          Discard
        </Button>
      )}
      <Button kind="primary" type="submit" form="editor" disabled={isPending}>
        {isNew ? (isPending ? 'Creating' : 'Create') : isPending ? 'Saving' : 'Save'}
      </Button>
    </div>
  );
}

/** Asks before what was written gets lost. */
function LeaveGuard({ isDirty }: { isDirty: boolean }) {
  const { status, proceed, reset } = useBlocker({
    shouldBlockFn: ({ current, next }) => isDirty && current.pathname !== next.pathname,
    enableBeforeUnload: isDirty,
    withResolver: true,
  });
  return (
    <Dialog title="Leave without saving?" open={status === 'blocked'} onClose={() => reset?.()}>
      <p className="mb-5 text-sm text-ink-soft">What you changed here is not saved, and will be gone.</p>
      <div className="flex justify-end gap-2">
        <Button onClick={() => reset?.()}>Stay here</Button>
        <Button kind="danger" onClick={() => proceed?.()}>
          Leave
        </Button>
      </div>
    </Dialog>
  );
}
