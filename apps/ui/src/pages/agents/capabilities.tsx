import { useQuery } from '@tanstack/react-query';
import { ArrowDown, ArrowUp, ChevronRight, Plus, TriangleAlert, X } from 'lucide-react';
import { useState } from 'react';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { capabilities } from './catalogue.ts';
import { moved } from './draft.ts';
import type { CapabilityUse } from './draft.ts';
import { JsonField } from './json-field.tsx';
import { SchemaFields } from './schema-fields.tsx';
import { fieldsOf } from './schema-form.ts';
import type { Config } from './schema-form.ts';

type Capability = Schemas['Capability'];

interface UsesProps {
  uses: readonly CapabilityUse[];
  onChange: (uses: readonly CapabilityUse[]) => void;
  /** What the server says about a member below `capabilities`. */
  errorAt: (path: string) => string | undefined;
  readOnly: boolean;
}

/** The capabilities in their order, with how each is set. */
export function CapabilityUses({ uses, onChange, errorAt, readOnly }: UsesProps) {
  const { data: known } = useQuery(capabilities);
  const [isAdding, setAdding] = useState(false);
  return (
    <div className="flex flex-col gap-2">
      {uses.length === 0 && <p className="text-sm text-ink-faint">None of its own. What the harness brings shows in the preview.</p>}
      <ol className="flex flex-col gap-2">
        {uses.map((use, at) => (
          <li key={use.ref}>
            <OneUse
              use={use}
              capability={known?.find(({ id }) => id === use.ref)}
              isKnown={known === undefined || known.some(({ id }) => id === use.ref)}
              readOnly={readOnly}
              errorAt={(below) => errorAt(below === '' ? `${at}` : `${at}.${below}`)}
              onChange={(config) => onChange(uses.map((each, other) => (other === at ? withConfig(each, config) : each)))}
              onRemove={() => onChange(uses.filter((_, other) => other !== at))}
              onMove={(step) => onChange(moved(uses, at, at + step))}
              isFirst={at === 0}
              isLast={at === uses.length - 1}
            />
          </li>
        ))}
      </ol>
      {!readOnly && (
        <Button icon={<Plus aria-hidden className="size-4" />} className="self-start" onClick={() => setAdding(true)}>
          Add capability
        </Button>
      )}
      <Dialog title="Add capability" open={isAdding} onClose={() => setAdding(false)}>
        <Catalogue
          taken={uses.map(({ ref }) => ref)}
          onAdd={(ref) => {
            onChange([...uses, { ref }]);
            setAdding(false);
          }}
        />
      </Dialog>
    </div>
  );
}

function withConfig({ ref }: CapabilityUse, config: unknown): CapabilityUse {
  const isEmpty = config === undefined || (typeof config === 'object' && config !== null && Object.keys(config).length === 0);
  return isEmpty ? { ref } : { ref, config };
}

interface OneUseProps {
  use: CapabilityUse;
  capability: Capability | undefined;
  isKnown: boolean;
  readOnly: boolean;
  errorAt: (below: string) => string | undefined;
  onChange: (config: unknown) => void;
  onRemove: () => void;
  onMove: (step: 1 | -1) => void;
  isFirst: boolean;
  isLast: boolean;
}

function OneUse({ use, capability, isKnown, readOnly, errorAt, onChange, onRemove, onMove, isFirst, isLast }: OneUseProps) {
  const name = capability?.name ?? use.ref;
  const error = errorAt('');
  return (
    <div className={`rounded-lg border bg-surface ${error === undefined ? 'border-line' : 'border-bad'}`}>
      <div className="flex items-center gap-1 py-1 pr-1 pl-3">
        <div className="flex min-w-0 grow flex-wrap items-center gap-x-2 gap-y-1">
          <span className="truncate text-sm font-medium">{name}</span>
          {capability !== undefined && <Risk capability={capability} />}
          {capability !== undefined && capability.status !== 'available' && <Badge tone="warn">{STATUS[capability.status]}</Badge>}
          {!isKnown && <Badge tone="warn">unavailable</Badge>}
        </div>
        {!readOnly && (
          <>
            <IconButton label={`Move ${name} up`} disabled={isFirst} onClick={() => onMove(-1)} icon={ArrowUp} />
            <IconButton label={`Move ${name} down`} disabled={isLast} onClick={() => onMove(1)} icon={ArrowDown} />
            <IconButton label={`Remove ${name}`} onClick={onRemove} icon={X} />
          </>
        )}
      </div>
      {!isKnown && (
        <p className="px-3 pb-2 text-[13px] text-warn">
          This installation does not have it, or it was archived. The agent runs without it until it is back.
        </p>
      )}
      {capability !== undefined && <About capability={capability} />}
      {capability?.config_schema !== undefined && (
        <ConfigForm name={name} capability={capability} config={use.config} onChange={onChange} errorAt={errorAt} readOnly={readOnly} />
      )}
      {error !== undefined && (
        <p role="alert" className="px-3 pb-2 text-[13px] text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

const STATUS = { available: 'available', coming_soon: 'coming soon', deprecated: 'deprecated', retired: 'retired' } as const;

function About({ capability }: { capability: Capability }) {
  if (capability.status === 'available') return null;
  const text = {
    coming_soon: 'Not built yet: it can be named, and does nothing until it is there.',
    deprecated: 'It still works, and will go. Look for another one.',
    retired: 'It is gone and does nothing any more.',
  }[capability.status];
  return <p className="px-3 pb-2 text-[13px] text-warn">{text}</p>;
}

function Risk({ capability: { risk_level } }: { capability: Capability }) {
  if (risk_level === undefined || risk_level === 'low') return null;
  return (
    <Badge tone={risk_level === 'high' ? 'bad' : 'warn'}>
      <TriangleAlert aria-hidden className="size-3" />
      {risk_level} risk
    </Badge>
  );
}

interface ConfigFormProps {
  name: string;
  capability: Capability;
  config: unknown;
  onChange: (config: unknown) => void;
  errorAt: (below: string) => string | undefined;
  readOnly: boolean;
}

function ConfigForm({ name, capability, config, onChange, errorAt, readOnly }: ConfigFormProps) {
  const fields = fieldsOf(capability.config_schema);
  const isRecord = config === undefined || (typeof config === 'object' && config !== null && !Array.isArray(config));
  const count = isRecord ? Object.keys(config ?? {}).length : 1;
  return (
    <details className="group border-t border-line" open={errorAt('config') !== undefined}>
      <summary className="flex cursor-pointer items-center gap-1.5 px-3 py-1.5 text-[13px] text-ink-soft select-none hover:text-ink">
        <ChevronRight aria-hidden className="size-3.5 transition-transform group-open:rotate-90" />
        Settings{count > 0 && ` (${count} set)`}
        <span className="sr-only"> of {name}</span>
      </summary>
      <fieldset disabled={readOnly} className="px-3 pt-1 pb-3">
        {fields !== null && isRecord ? (
          <SchemaFields
            fields={fields}
            config={(config ?? {}) as Config}
            onChange={onChange}
            errorAt={(below) => errorAt(`config.${below}`)}
          />
        ) : (
          <JsonField label="Configuration" error={errorAt('config')} value={config} onChange={onChange} wanted="object" />
        )}
      </fieldset>
    </details>
  );
}

interface IconButtonProps {
  label: string;
  onClick: () => void;
  icon: typeof X;
  disabled?: boolean;
}

export function IconButton({ label, onClick, icon: Icon, disabled = false }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
      className="grid size-8 shrink-0 cursor-pointer place-items-center rounded-lg text-ink-faint hover:bg-sunken hover:text-ink disabled:cursor-not-allowed disabled:opacity-40"
    >
      <Icon aria-hidden className="size-4" />
    </button>
  );
}

/** What can be added, with what it does. */
function Catalogue({ taken, onAdd }: { taken: readonly string[]; onAdd: (ref: string) => void }) {
  const { data, error, refetch } = useQuery(capabilities);
  const [search, setSearch] = useState('');
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={6} />;
  const words = search.toLowerCase();
  const found = data
    .filter(({ id, status }) => !taken.includes(id) && status !== 'retired')
    .filter(({ id, name, description }) => `${id} ${name} ${description}`.toLowerCase().includes(words))
    .toSorted((one, other) => rank(one) - rank(other));
  return (
    <div className="flex flex-col gap-3">
      <TextField
        label="Search capabilities"
        hideLabel
        type="search"
        placeholder="Search by name or what it does"
        value={search}
        onChange={(event) => setSearch(event.target.value)}
      />
      {found.length === 0 && <Empty title="Nothing like that is left to add" />}
      <ul className="flex max-h-[55dvh] flex-col gap-1 overflow-y-auto" aria-label="Capabilities">
        {found.map((capability) => (
          <li key={capability.id}>
            <button
              type="button"
              disabled={capability.status === 'coming_soon'}
              onClick={() => onAdd(capability.id)}
              className="w-full cursor-pointer rounded-lg px-3 py-2 text-left hover:bg-sunken disabled:cursor-not-allowed"
            >
              <span className="flex flex-wrap items-center gap-2">
                <span className="text-sm font-medium">{capability.name}</span>
                <span className="text-xs text-ink-faint">{kindOf(capability)}</span>
                <Risk capability={capability} />
                {capability.status !== 'available' && <Badge>{STATUS[capability.status]}</Badge>}
              </span>
              <span className="mt-0.5 block text-[13px] text-ink-soft">{capability.description}</span>
              {capability.dependencies !== undefined && capability.dependencies.length > 0 && (
                <span className="mt-0.5 block text-[13px] text-ink-faint">Brings {capability.dependencies.join(', ')}</span>
              )}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function rank({ status, is_mcp, is_skill }: Capability): number {
  if (status === 'coming_soon') return 2;
  return status === 'deprecated' ? 1 : is_mcp === true || is_skill === true ? -1 : 0;
}

function kindOf({ category, is_mcp, is_skill }: Capability): string {
  if (is_mcp === true) return 'MCP server';
  return is_skill === true ? 'Skill' : (category ?? '');
}
