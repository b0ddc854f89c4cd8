import { useQuery } from '@tanstack/react-query';
import { ChevronRight, Plus, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from '../../ui/button.tsx';
import { CheckField, SelectField, TextArea, TextField } from '../../ui/fields.tsx';
import { CapabilityUses, IconButton } from './capabilities.tsx';
import { harnesses, models } from './catalogue.ts';
import type { ClientTools, Draft, StarterFile } from './draft.ts';
import { JsonField } from './json-field.tsx';
import { ScopedServersField } from './scoped-servers.tsx';

export interface PartProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  /** What the server says about a member. */
  errorAt: (field: string) => string | undefined;
  readOnly: boolean;
}

interface SettingsProps extends PartProps {
  kind: 'agent' | 'harness';
  ownId: string | null;
}

/** Everything but the prompt. */
export function Settings({ kind, ownId, ...part }: SettingsProps) {
  const { draft, change, errorAt, readOnly } = part;
  return (
    <div className="flex flex-col gap-6">
      <Group title="Runs on">
        <BaseField kind={kind} ownId={ownId} {...part} />
        <ModelField {...part} />
      </Group>
      <Group title="Capabilities" about="What the agent can do, in the order in which the model is told.">
        <CapabilityUses
          uses={draft.capabilities}
          onChange={(uses) => change({ capabilities: uses })}
          errorAt={(path) => errorAt(`capabilities.${path}`)}
          readOnly={readOnly}
        />
      </Group>
      <Group title="About">
        <TextField
          label="Description"
          value={draft.description}
          error={errorAt('description')}
          onChange={(event) => change({ description: event.target.value })}
        />
        <TextField
          label="Tags"
          hint="With commas between them."
          value={draft.tags}
          error={errorAt('tags')}
          onChange={(event) => change({ tags: event.target.value })}
        />
      </Group>
      <More title="Limits" count={[draft.maxIterations !== '', draft.parallel !== ''].filter(Boolean).length}>
        <Limits kind={kind} {...part} />
      </More>
      <More title="Network access" count={[draft.allowed, draft.blocked].filter((list) => list !== null).length}>
        <Network {...part} />
      </More>
      {kind === 'agent' && (
        <More title="Client tools" count={draft.tools.length}>
          <JsonField
            label="Tools that your program runs"
            hint="A list of { name, description, parameters }: the model calls them, whoever runs the session answers."
            wanted="array"
            rows={10}
            readOnly={readOnly}
            value={draft.tools}
            error={errorAt('tools')}
            onChange={(tools) => change({ tools: (tools ?? []) as ClientTools })}
          />
        </More>
      )}
      <More title="MCP servers of its own" count={Object.keys(draft.mcpServers).length}>
        <ScopedServersField
          servers={draft.mcpServers}
          onChange={(mcpServers) => change({ mcpServers })}
          error={errorAt('mcpServers')}
          readOnly={readOnly}
        />
      </More>
      <More title="Starter files" count={draft.files.length}>
        <Files {...part} />
      </More>
    </div>
  );
}

function Group({ title, about, children }: { title: string; about?: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-3">
      <div>
        <h2 className="text-sm font-semibold">{title}</h2>
        {about !== undefined && <p className="text-[13px] text-ink-faint">{about}</p>}
      </div>
      {children}
    </section>
  );
}

/** What most never need is folded. */
function More({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  return (
    <details className="group border-t border-line pt-3">
      <summary className="flex cursor-pointer items-center gap-1.5 text-sm font-semibold select-none">
        <ChevronRight aria-hidden className="size-4 text-ink-faint transition-transform group-open:rotate-90" />
        {title}
        {count > 0 && <span className="font-normal text-ink-faint">{count}</span>}
      </summary>
      <div className="flex flex-col gap-3 pt-3">{children}</div>
    </details>
  );
}

function BaseField({ kind, ownId, draft, change, errorAt }: SettingsProps) {
  const { data = [] } = useQuery(harnesses);
  const choices = data.filter(({ id }) => id !== ownId).map(({ id, name, display_name }) => ({ value: id, label: display_name ?? name }));
  const isMissing = draft.base !== '' && !choices.some(({ value }) => value === draft.base);
  return (
    <SelectField
      label={kind === 'agent' ? 'Harness' : 'Builds on'}
      hint={
        kind === 'agent' ? 'The prompt, tools and limits that the agent starts from.' : 'It takes over the prompt and the capabilities.'
      }
      value={draft.base}
      error={errorAt(kind === 'agent' ? 'harness_id' : 'parent_harness_id')}
      choices={[
        { value: '', label: kind === 'agent' ? 'Default of the organization' : 'Nothing' },
        ...choices,
        ...(isMissing ? [{ value: draft.base, label: draft.base }] : []),
      ]}
      onChange={(event) => change({ base: event.target.value })}
    />
  );
}

function ModelField({ draft, change, errorAt }: PartProps) {
  const { data = [] } = useQuery(models);
  const usable = data
    .filter(({ enabled, id }) => enabled || id === draft.modelId)
    .toSorted((one, other) => Number(other.is_favorite) - Number(one.is_favorite));
  const isMissing = draft.modelId !== '' && !usable.some(({ id }) => id === draft.modelId);
  return (
    <SelectField
      label="Model"
      value={draft.modelId}
      error={errorAt('default_model_id')}
      choices={[
        { value: '', label: 'Default of the harness or organization' },
        ...usable.map(({ id, display_name, provider_name, is_favorite, healthy }) => ({
          value: id,
          label: `${is_favorite ? '★ ' : ''}${display_name} · ${provider_name}${healthy ? '' : ' (no key)'}`,
        })),
        ...(isMissing ? [{ value: draft.modelId, label: draft.modelId }] : []),
      ]}
      onChange={(event) => change({ modelId: event.target.value })}
    />
  );
}

function Limits({ kind, draft, change, errorAt }: PartProps & { kind: 'agent' | 'harness' }) {
  return (
    <>
      {kind === 'agent' && (
        <TextField
          label="Steps in a turn at most"
          hint="A step is one call of the model. Empty: as the installation says."
          type="number"
          min={1}
          step={1}
          value={draft.maxIterations}
          error={errorAt('max_iterations')}
          onChange={(event) => change({ maxIterations: event.target.value })}
        />
      )}
      <SelectField
        label="Several tool calls at once"
        value={draft.parallel}
        choices={[
          { value: '', label: 'As the layers below say' },
          { value: 'yes', label: 'Allowed' },
          { value: 'no', label: 'One at a time' },
        ]}
        onChange={(event) => change({ parallel: event.target.value as Draft['parallel'] })}
      />
    </>
  );
}

const LISTS = [
  { key: 'allowed', check: 'Only some hosts', label: 'Hosts that may be reached' },
  { key: 'blocked', check: 'Not some hosts', label: 'Hosts that may not be reached' },
] as const;

function Network({ draft, change, errorAt }: PartProps) {
  return LISTS.map(({ key, check, label }) => (
    <div key={key} className="flex flex-col gap-2">
      <CheckField label={check} checked={draft[key] !== null} onChange={(event) => change({ [key]: event.target.checked ? '' : null })} />
      {draft[key] !== null && (
        <TextArea
          label={label}
          hint="One a line, such as docs.example.com or *.example.com."
          rows={3}
          className="min-h-16"
          value={draft[key]}
          error={errorAt(`network_access.${key}`)}
          onChange={(event) => change({ [key]: event.target.value })}
        />
      )}
    </div>
  ));
}

function Files({ draft: { files }, change, errorAt, readOnly }: PartProps) {
  const set = (at: number, part: Partial<StarterFile>) =>
    change({ files: files.map((file, other) => (other === at ? { ...file, ...part } : file)) });
  return (
    <>
      <p className="text-[13px] text-ink-faint">They lie in the workspace of every new session.</p>
      {files.map((file, at) => (
        // Files have no other identity while they are written.
        // oxlint-disable-next-line react/no-array-index-key
        <div key={at} className="flex flex-col gap-2 rounded-lg border border-line p-3">
          <div className="flex items-end gap-1">
            <div className="grow">
              <TextField
                label="Path"
                placeholder="/workspace/notes.md"
                required
                value={file.path}
                error={errorAt(`initial_files.${at}.path`)}
                onChange={(event) => set(at, { path: event.target.value })}
              />
            </div>
            {!readOnly && (
              <IconButton
                label={`Remove ${file.path || 'the file'}`}
                icon={X}
                onClick={() => change({ files: files.filter((_, other) => other !== at) })}
              />
            )}
          </div>
          <TextArea
            label="Content"
            hint={file.encoding === 'base64' ? 'As base64.' : undefined}
            rows={4}
            className="font-mono text-[13px]"
            value={file.content}
            error={errorAt(`initial_files.${at}.content`)}
            onChange={(event) => set(at, { content: event.target.value })}
          />
          <CheckField
            label="The agent cannot change it"
            checked={file.is_readonly}
            onChange={(event) => set(at, { is_readonly: event.target.checked })}
          />
        </div>
      ))}
      {!readOnly && (
        <Button
          className="self-start"
          icon={<Plus aria-hidden className="size-4" />}
          onClick={() => change({ files: [...files, { path: '', content: '', encoding: 'text', is_readonly: false }] })}
        >
          Add file
        </Button>
      )}
    </>
  );
}
