import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useCaller, useMembership } from '../../data/access.ts';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { CopyOnce } from '../../ui/copy-once.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { groupScopes } from './scope-choice.ts';

type Reach = 'one' | 'all';
type Breadth = 'all' | 'read' | 'some';
type NewToken = Schemas['NewPersonalAccessToken'];

export interface TokenRequest {
  name: string;
  scopes: string[];
  expires_in_days?: number;
  all_organizations?: boolean;
}

const BREADTHS: readonly { value: Breadth; label: string }[] = [
  { value: 'all', label: 'Everything that you may do' },
  { value: 'read', label: 'See everything, change nothing' },
  { value: 'some', label: 'What you choose below' },
];
const EXPIRIES = [
  { value: '7', label: '7 days' },
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'A year' },
  { value: '', label: 'Never' },
];
const DEFAULT_DAYS = '90';

interface TokenFormProps {
  /** Makes the token, and knows whose. */
  create: (request: TokenRequest) => Promise<NewToken>;
  /** It may reach every organization of its owner. */
  hasReach: boolean;
  onDone: () => void;
}

export function TokenForm({ create, hasReach, onDone }: TokenFormProps) {
  const [name, setName] = useState('');
  const [breadth, setBreadth] = useState<Breadth>('all');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [days, setDays] = useState(DEFAULT_DAYS);
  const [reach, setReach] = useState<Reach>('one');
  const membership = useMembership();
  const make = useChange(create, 'tokens', 'service-accounts');
  if (make.data !== undefined) return <Made token={make.data} onDone={onDone} />;
  const scopes = breadth === 'some' ? [...chosen] : [breadth === 'all' ? '*' : 'read'];
  const problem = fieldError(make.error, 'name');
  const submit = (): void =>
    make.mutate({
      name: name.trim(),
      scopes,
      ...(days !== '' && { expires_in_days: Number(days) }),
      ...(hasReach && reach === 'all' && { all_organizations: true }),
    });
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <TextField
        label="Name"
        hint="What uses it, such as “nightly report”."
        required
        maxLength={100}
        autoComplete="off"
        value={name}
        error={problem}
        onChange={({ target }) => setName(target.value)}
      />
      <SelectField
        label="What it may do"
        value={breadth}
        choices={BREADTHS}
        onChange={({ target }) => setBreadth(target.value as Breadth)}
      />
      {breadth === 'some' && <Scopes chosen={chosen} onChange={setChosen} />}
      <SelectField
        label="Ends after"
        value={days}
        choices={EXPIRIES}
        onChange={({ target }) => setDays(target.value)}
        {...(days === '' && { hint: 'A token that never ends has to be deleted by hand. Choose a time if you can.' })}
      />
      {hasReach && (
        <SelectField
          label="Where"
          value={reach}
          choices={[
            { value: 'one', label: `Only ${membership?.name ?? 'this organization'}` },
            { value: 'all', label: 'All your organizations' },
          ]}
          hint={reach === 'all' ? 'Those that you join later too.' : undefined}
          onChange={({ target }) => setReach(target.value as Reach)}
        />
      )}
      {make.error !== null && problem === undefined && <ErrorNote error={make.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" kind="primary" disabled={make.isPending || scopes.length === 0}>
          Create token
        </Button>
      </div>
    </form>
  );
}

function Made({ token, onDone }: { token: NewToken; onDone: () => void }) {
  return (
    <div className="flex flex-col gap-4">
      <p role="status" className="text-sm">
        <strong>{token.name}</strong> is made. Copy it now and keep it like a password: it is never shown again.
      </p>
      <CopyOnce label="Token" text={token.key} />
      <div className="flex justify-end">
        <Button onClick={onDone}>Done</Button>
      </div>
    </div>
  );
}

function Scopes({ chosen, onChange }: { chosen: ReadonlySet<string>; onChange: (next: ReadonlySet<string>) => void }) {
  const caller = useCaller();
  const { data, error, refetch } = useQuery({
    queryKey: ['token-scopes'],
    queryFn: () => api.get('/v1/auth/scopes'),
    staleTime: Infinity,
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={3} />;
  const toggle = (scope: string): void => {
    const next = new Set(chosen);
    if (!next.delete(scope)) next.add(scope);
    onChange(next);
  };
  return (
    <fieldset>
      <legend className="sr-only">Permissions</legend>
      <div tabIndex={0} role="region" aria-label="Permissions" className="max-h-64 overflow-y-auto rounded-lg border border-line">
        <ul className="divide-y divide-line text-sm">
          {groupScopes(data.data, caller?.permissions ?? []).map(({ resource, title, scopes }) => (
            <li key={resource} className="flex flex-wrap items-center gap-x-4 gap-y-1 px-3 py-2 [&>span]:basis-full sm:[&>span]:basis-28">
              <span className="grow basis-28">{title}</span>
              {scopes.map(({ scope, label }) => (
                <label key={scope} className="flex cursor-pointer items-center gap-1.5 text-[13px]">
                  <input type="checkbox" className="size-4 accent-accent" checked={chosen.has(scope)} onChange={() => toggle(scope)} />
                  {label}
                  <span className="sr-only">: {title}</span>
                </label>
              ))}
            </li>
          ))}
        </ul>
      </div>
    </fieldset>
  );
}
