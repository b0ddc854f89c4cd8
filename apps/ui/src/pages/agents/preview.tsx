import { InvalidRequestError } from '@everruns/client';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { ChevronRight } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Badge, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';
import { previewBody } from './draft.ts';
import type { Draft } from './draft.ts';

type Preview = Schemas['Preview'];
type Layer = Preview['provenance']['prompt'][number]['layer'];
const TYPING_MS = 400;

/** What a model will be told, as it stands in the editor, and where each part comes from. */
export function LivePreview({ kind, draft }: { kind: 'agent' | 'harness'; draft: Draft }) {
  const settled = useSettled(draft);
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: scoped('preview', kind, settled),
    queryFn: ({ signal }) => preview(kind, settled, signal),
    placeholderData: keepPreviousData,
    gcTime: 10_000,
  });
  return (
    <section aria-labelledby="preview-title">
      <div className="mb-2 flex items-baseline justify-between gap-3">
        <h2 id="preview-title" className="text-base font-semibold">
          What the model is told
        </h2>
        <span className="text-[13px] text-ink-faint">{isFetching || settled !== draft ? 'Updating' : 'As it stands, saved or not'}</span>
      </div>
      {error instanceof InvalidRequestError && (
        <p role="status" className="rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
          It cannot be shown yet. {error.message}{' '}
          {error.field !== undefined && <code className="font-mono text-[13px]">{error.field}</code>}
        </p>
      )}
      {error !== null && !(error instanceof InvalidRequestError) && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={4} />}
      {data !== undefined && error === null && <Shown preview={data} />}
    </section>
  );
}

function preview(kind: 'agent' | 'harness', draft: Draft, signal: AbortSignal): Promise<Preview> {
  const base = draft.base === '' ? null : draft.base;
  if (kind === 'harness') return api.post('/v1/harnesses/preview', { body: { ...previewBody(draft), parent_harness_id: base }, signal });
  const { tools, maxIterations } = draft;
  const iterations = maxIterations === '' ? null : Number(maxIterations);
  return api.post('/v1/agents/preview', { body: { ...previewBody(draft), harness_id: base, tools, max_iterations: iterations }, signal });
}

/** The value once nothing has changed for a moment. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

function Shown({ preview: { provenance, tools, findings } }: { preview: Preview }) {
  const { prompt, inert_capabilities: inert, model, limits } = provenance;
  return (
    <div className="flex flex-col gap-3">
      <dl className="flex flex-wrap gap-x-6 gap-y-1 text-[13px]">
        <Fact name="Model">{model === undefined ? 'none yet: add a provider' : `${model.model} (${LEVELS[model.level]})`}</Fact>
        <Fact name="Steps at most">{limits.max_iterations.value}</Fact>
        <Fact name="Tools">{tools.length}</Fact>
        {limits.network_access !== undefined && <Fact name="Network">limited</Fact>}
      </dl>
      {findings?.map(({ rule_id, severity, message, fix }) => (
        <p
          key={`${rule_id} ${message}`}
          className={`rounded-lg px-3 py-2 text-sm ${severity === 'warning' ? 'bg-warn-soft text-warn' : 'bg-sunken text-ink-soft'}`}
        >
          {message} {fix}
        </p>
      ))}
      {inert.length > 0 && (
        <p className="rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
          Without effect here: {inert.map(({ ref }) => ref).join(', ')}. They are not built, archived, or unknown to this installation.
        </p>
      )}
      <ol className="flex flex-col gap-1.5">
        {prompt.map((part, at) => (
          <li key={`${part.layer.tier} ${part.layer.id ?? ''} ${part.capability ?? ''} ${at}`}>
            <PromptPart part={part} />
          </li>
        ))}
      </ol>
      <ToolList preview={provenance.tools} />
    </div>
  );
}

const LEVELS = {
  message: 'of the message',
  session: 'of the session',
  agent: 'of the agent',
  harness: 'of the harness',
  organization: 'default of the organization',
  fallback: 'stands in until there is another',
} as const;

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="flex gap-1.5">
      <dt className="text-ink-faint">{name}</dt>
      <dd className="font-medium">{children}</dd>
    </div>
  );
}

const TIERS: Readonly<Record<Layer['tier'], Tone>> = { agent: 'accent', harness: 'plain', session: 'good' };

function Tier({ layer: { tier, name } }: { layer: Layer }) {
  return (
    <Badge tone={TIERS[tier]}>
      {tier}
      {name !== undefined && ` ${name}`}
    </Badge>
  );
}

function PromptPart({ part: { layer, capability, text } }: { part: Preview['provenance']['prompt'][number] }) {
  return (
    <details className="group rounded-lg border border-line bg-surface" open={capability === undefined}>
      <summary className="flex cursor-pointer items-center gap-2 px-3 py-2 text-sm select-none">
        <ChevronRight aria-hidden className="size-3.5 shrink-0 text-ink-faint transition-transform group-open:rotate-90" />
        <span className="min-w-0 grow truncate font-medium">{capability ?? 'Prompt'}</span>
        <Tier layer={layer} />
      </summary>
      <pre className="border-t border-line px-3 py-2.5 font-mono text-[13px] leading-relaxed break-words whitespace-pre-wrap text-ink-soft">
        {text}
      </pre>
    </details>
  );
}

function ToolList({ preview: tools }: { preview: Preview['provenance']['tools'] }) {
  if (tools.length === 0) return <p className="text-sm text-ink-faint">No tools: the model can only talk.</p>;
  return (
    <details className="group rounded-lg border border-line bg-surface">
      <summary className="flex cursor-pointer items-center gap-2 px-3 py-2 text-sm font-medium select-none">
        <ChevronRight aria-hidden className="size-3.5 text-ink-faint transition-transform group-open:rotate-90" />
        {tools.length} {tools.length === 1 ? 'tool' : 'tools'}
      </summary>
      <ul className="border-t border-line">
        {tools.map(({ name, layer, capability }) => (
          <li key={name} className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1.5 text-sm last:border-0">
            <code className="font-mono text-[13px] break-all">{name}</code>
            <span className="grow text-[13px] text-ink-faint">{capability ?? 'run by the client'}</span>
            <Tier layer={layer} />
          </li>
        ))}
      </ul>
    </details>
  );
}
