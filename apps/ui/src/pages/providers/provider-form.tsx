import { useMutation, useQuery } from '@tanstack/react-query';
import { CircleAlert, CircleCheck } from 'lucide-react';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { ADDRESSED, TYPES } from './model-state.ts';
import { drivers, providers } from './queries.ts';
import type { Provider } from './queries.ts';

interface ProviderFormProps {
  /** Null: a new one. */
  provider: Provider | null;
  onDone: (provider: Provider) => void;
}

/** A provider with its key. A key that is kept is never shown again. */
export function ProviderForm({ provider, onDone }: ProviderFormProps) {
  const { data: known = [] } = useQuery(drivers);
  const { data: all = [] } = useQuery(providers);
  const [type, setType] = useState(provider?.provider_type ?? 'openai');
  const [name, setName] = useState(provider?.name ?? '');
  const [key, setKey] = useState('');
  const [address, setAddress] = useState(provider?.base_url ?? '');
  const driver = known.find((each) => each.driver === type);
  const field = driver?.credential_schema.fields.find((each) => each.name === 'api_key');
  const save = useChange(
    async () => {
      const saved = await store(provider ?? waitingFor(all, { type, name, address }), {
        type,
        name: name.trim() === '' ? (TYPES[type] ?? type) : name.trim(),
        key,
        address,
      });
      // Its models can be chosen at once. What comes in the way of that is no reason to lose the key.
      if (key !== '') await api.post('/v1/providers/{id}/sync-models', { params: { path: { id: saved.id } } }).catch(() => null);
      return saved;
    },
    'providers',
    'models',
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate(undefined, {
      onSuccess: (saved) => {
        setKey('');
        onDone(saved);
      },
    });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {provider === null && (
        <SelectField
          label="Type"
          value={type}
          choices={known.map(({ driver: value }) => ({ value, label: TYPES[value] ?? value }))}
          error={fieldError(save.error, 'provider_type')}
          onChange={(event) => setType(event.target.value)}
        />
      )}
      <TextField
        label="Name"
        placeholder={TYPES[type]}
        value={name}
        error={fieldError(save.error, 'name')}
        onChange={(event) => setName(event.target.value)}
      />
      {field !== undefined && (
        <TextField
          label={provider?.api_key_set === true ? 'New API key' : field.label}
          type="password"
          autoComplete="off"
          hint={
            provider?.api_key_set === true
              ? 'Empty: the key stays as it is.'
              : driver?.credential_schema.instructions_markdown.replaceAll('`', '')
          }
          placeholder={field.placeholder}
          required={field.required && provider === null}
          value={key}
          error={fieldError(save.error, 'api_key')}
          onChange={(event) => setKey(event.target.value)}
        />
      )}
      {ADDRESSED.has(type) && (
        <TextField
          label="Address"
          type="url"
          hint={
            type === 'openai_completions'
              ? 'Where the service answers, such as https://llm.example.com/v1.'
              : 'Only for a proxy; empty is the usual one.'
          }
          required={type === 'openai_completions'}
          value={address}
          error={fieldError(save.error, 'base_url')}
          onChange={(event) => setAddress(event.target.value)}
        />
      )}
      {type === 'llmsim' && (
        <p className="text-sm text-ink-soft">Simulated models need no key and cost nothing. They are for trying things out.</p>
      )}
      {save.error !== null && <ErrorNote error={save.error} />}
      <div className="flex flex-wrap items-start justify-between gap-3">
        {field !== undefined ? <KeyCheck type={type} apiKey={key} address={address} /> : <span />}
        <p role="status" className="self-center text-sm text-ink-soft">
          {save.isSuccess && provider !== null ? 'Saved' : ''}
        </p>
        <Button kind="primary" type="submit" disabled={save.isPending}>
          {save.isPending ? 'Saving' : provider === null ? 'Add provider' : 'Save'}
        </Button>
      </div>
    </form>
  );
}

/** The one that is there from the beginning takes the first key of its type, rather than standing beside another. */
function waitingFor(all: readonly Provider[], { type, name, address }: Omit<Entered, 'key'>): Provider | null {
  if (type === 'llmsim' || name.trim() !== '' || address.trim() !== '') return null;
  return all.find((each) => each.provider_type === type && !each.api_key_set && each.base_url === undefined) ?? null;
}

interface Entered {
  type: string;
  name: string;
  key: string;
  address: string;
}

function store(provider: Provider | null, { type, name, key, address }: Entered): Promise<Provider> {
  const body = { name, base_url: address.trim() === '' ? null : address.trim(), ...(key !== '' && { api_key: key }) };
  if (provider === null) return api.post('/v1/providers', { body: { ...body, provider_type: type } });
  return api.patch('/v1/providers/{id}', { params: { path: { id: provider.id } }, body });
}

type Checked = Schemas['CheckedCredentials'];

/** Asks the provider whether it takes the key, before it is kept. */
function KeyCheck({ type, apiKey, address }: { type: string; apiKey: string; address: string }) {
  const check = useMutation({
    mutationFn: (body: Schemas['CheckCredentials']) => api.post('/v1/providers/check-credentials', { body }),
  });
  const asked = check.variables;
  const isAbout = asked?.api_key === apiKey && asked.provider_type === type && (asked.base_url ?? '') === address.trim();
  return (
    <div className="flex min-w-0 grow basis-56 flex-col gap-2">
      <Button
        className="self-start"
        disabled={apiKey === '' || check.isPending}
        onClick={() => check.mutate({ provider_type: type, api_key: apiKey, base_url: address.trim() === '' ? null : address.trim() })}
      >
        {check.isPending ? 'Checking' : 'Check key'}
      </Button>
      <div role="status">
        {check.data !== undefined && isAbout && <Verdict checked={check.data} />}
        {check.error !== null && isAbout && <p className="text-sm text-bad">{check.error.message}</p>}
      </div>
    </div>
  );
}

const VERDICTS: Readonly<Record<Checked['status'], string>> = {
  valid: 'The provider takes this key.',
  invalid: 'The provider refuses this key.',
  unreachable: 'The provider could not be reached, so the key could not be checked.',
  not_supported: 'Keys of this type cannot be checked.',
};

function Verdict({ checked: { status, message, model_count } }: { checked: Checked }) {
  const Icon = status === 'valid' ? CircleCheck : CircleAlert;
  const tone = status === 'valid' ? 'text-good' : status === 'invalid' ? 'text-bad' : 'text-warn';
  return (
    <p className={`flex items-start gap-2 text-sm ${tone}`}>
      <Icon aria-hidden className="mt-0.5 size-4 shrink-0" />
      <span className="min-w-0 break-words">
        {VERDICTS[status]} {model_count !== undefined && `It offers ${model_count} models.`} {status !== 'valid' && message}
      </span>
    </p>
  );
}
