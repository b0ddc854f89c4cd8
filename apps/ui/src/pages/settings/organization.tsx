import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useCaller, useMembership, usePermission } from '../../data/access.ts';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card, Page, Section } from '../../ui/page.tsx';
import { DefaultModel } from '../providers/default-model.tsx';
import { organization } from '../providers/queries.ts';
import { Account } from './account.tsx';
import { Profile } from './profile.tsx';
import { enter } from './queries.ts';
import { roleText } from './roles.ts';

export function Organization() {
  const membership = useMembership();
  return (
    <Page title="Organization" about="The organization that you work in, and your own account.">
      {membership !== undefined && <Defaults key={membership.public_id} />}
      <Organizations />
      <Profile />
      <Account />
    </Page>
  );
}

function Defaults() {
  const { data: org, error, refetch } = useQuery(organization);
  const mayManage = usePermission('org:settings:manage');
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (org === undefined) return <Skeleton rows={3} />;
  if (!mayManage) {
    return (
      <Section title={org.name} about="Administrators set its name and what agents use by default.">
        <p className="font-mono text-[13px] text-ink-faint">{org.id}</p>
      </Section>
    );
  }
  return (
    <Section title="This organization">
      <Card className="flex flex-col gap-6">
        <Name id={org.id} name={org.name} />
        <div className="flex flex-col gap-1.5">
          <p aria-hidden className="text-sm font-medium">
            Default model
          </p>
          <DefaultModel />
          <p className="text-[13px] text-ink-faint">
            It answers where neither the message, the session, the agent nor the harness names another.
          </p>
        </div>
        <DefaultHarness id={org.id} chosen={org.default_harness_id} />
      </Card>
    </Section>
  );
}

function Name({ id, name }: { id: string; name: string }) {
  const [text, setText] = useState(name);
  const rename = useChange(
    async () => api.patch('/v1/orgs/{id}', { params: { path: { id } }, body: { name: text.trim() } }),
    'organization',
    'me',
  );
  const problem = fieldError(rename.error, 'name');
  return (
    <div className="flex max-w-md flex-col gap-3">
      <form
        className="flex items-start gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          rename.mutate();
        }}
      >
        <div className="min-w-0 grow">
          <TextField
            label="Name"
            required
            value={text}
            error={problem}
            hint={<span className="font-mono text-xs break-all">{id}</span>}
            onChange={({ target }) => setText(target.value)}
          />
        </div>
        <Button type="submit" className="mt-[1.65rem]" disabled={rename.isPending || text.trim() === '' || text.trim() === name}>
          Rename
        </Button>
      </form>
      {rename.error !== null && problem === undefined && <ErrorNote error={rename.error} />}
      <p role="status" className="sr-only">
        {rename.isSuccess && 'Renamed'}
      </p>
    </div>
  );
}

function DefaultHarness({ id, chosen }: { id: string; chosen: string | undefined }) {
  const { data: harnesses } = useQuery({ queryKey: scoped('harnesses', 'choices'), queryFn: () => api.get('/v1/harnesses') });
  const change = useChange(
    async (harness: string) =>
      api.patch('/v1/orgs/{id}', { params: { path: { id } }, body: { default_harness_id: harness === '' ? null : harness } }),
    'organization',
    'preview',
  );
  const choices = (harnesses?.data ?? []).map(({ id: value, name, display_name }) => ({ value, label: display_name ?? name }));
  return (
    <div className="max-w-md">
      <SelectField
        label="Default harness"
        hint="What agents run on that name none themselves."
        disabled={harnesses === undefined}
        value={change.isPending ? change.variables : (chosen ?? '')}
        choices={[{ value: '', label: 'None: the built-in base' }, ...choices]}
        onChange={({ target }) => change.mutate(target.value)}
      />
      {change.error !== null && <ErrorNote error={change.error} />}
      <p role="status" className="mt-1 min-h-5 text-[13px] text-ink-faint">
        {change.isPending ? 'Saving' : change.isSuccess ? 'Saved' : ''}
      </p>
    </div>
  );
}

function Organizations() {
  const caller = useCaller();
  const current = useMembership();
  const [name, setName] = useState('');
  const switching = useChange(enter);
  const create = useChange(async () => enter((await api.post('/v1/orgs', { body: { name: name.trim() } })).id));
  const problem = fieldError(create.error, 'name');
  const others = caller?.organizations ?? [];
  return (
    <Section title="Your organizations" about="Each has its own agents, sessions, keys and members.">
      {others.length === 0 && caller !== undefined && (
        <div className="mb-4">
          <Empty title="You are in no organization">Create one below, or ask somebody for an invitation to theirs.</Empty>
        </div>
      )}
      {others.length > 0 && (
        <ul className="mb-4 divide-y divide-line rounded-xl border border-line bg-surface">
          {others.map(({ public_id: id, name: title, role }) => (
            <li key={id} className="flex min-h-14 flex-wrap items-center gap-3 px-4 py-2 text-sm">
              <span className="min-w-0 grow truncate font-medium">{title}</span>
              <span className="text-ink-soft">{roleText(role)}</span>
              {id === current?.public_id ? (
                <Badge tone="accent">you are here</Badge>
              ) : (
                <Button aria-label={`Switch to ${title}`} disabled={switching.isPending} onClick={() => switching.mutate(id)}>
                  Switch
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
      {switching.error !== null && <ErrorNote error={switching.error} />}
      <form
        className="flex max-w-md items-start gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <div className="min-w-0 grow">
          <TextField
            label="New organization"
            required
            placeholder="Its name"
            value={name}
            error={problem}
            onChange={({ target }) => setName(target.value)}
          />
        </div>
        <Button type="submit" className="mt-[1.65rem]" disabled={create.isPending || name.trim() === ''}>
          Create
        </Button>
      </form>
      {create.error !== null && problem === undefined && (
        <div className="mt-3">
          <ErrorNote error={create.error} />
        </div>
      )}
    </Section>
  );
}
