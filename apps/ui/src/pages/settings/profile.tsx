import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card, Section } from '../../ui/page.tsx';
import { ownData } from './queries.ts';

type User = Schemas['UserExport']['user'];

export function Profile() {
  const { data, error, refetch } = useQuery(ownData);
  return (
    <Section title="Your profile" about="Other members see your name.">
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={3} />}
      {data !== undefined && <ProfileForm key={JSON.stringify(data.user)} user={data.user} />}
    </Section>
  );
}

/** What is empty is cleared. */
const orNull = (text: string): string | null => (text.trim() === '' ? null : text.trim());

function ProfileForm({ user }: { user: User }) {
  const [name, setName] = useState(user.name);
  const [locale, setLocale] = useState(user.locale ?? '');
  const [timezone, setTimezone] = useState(user.timezone ?? '');
  const save = useChange(
    async () => api.patch('/v1/users/me', { body: { name: name.trim(), locale: orNull(locale), timezone: orNull(timezone) } }),
    'me',
    'members',
  );
  const problems = ['name', 'locale', 'timezone'].map((field) => fieldError(save.error, field));
  const isChanged = name.trim() !== user.name || orNull(locale) !== (user.locale ?? null) || orNull(timezone) !== (user.timezone ?? null);
  return (
    <Card>
      <form
        className="grid gap-4 md:grid-cols-2"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <TextField
          label="Name"
          required
          autoComplete="name"
          value={name}
          error={problems[0]}
          onChange={({ target }) => setName(target.value)}
        />
        <TextField label="E-mail address" readOnly value={user.email} className="bg-sunken" />
        <TextField
          label="Language"
          placeholder={navigator.language}
          hint="A language tag, such as en-GB or de."
          value={locale}
          error={problems[1]}
          onChange={({ target }) => setLocale(target.value)}
        />
        <SelectField
          label="Time zone"
          value={timezone}
          error={problems[2]}
          choices={zones(timezone)}
          hint={`Your browser is in ${here()}.`}
          onChange={({ target }) => setTimezone(target.value)}
        />
        {save.error !== null && problems.every((problem) => problem === undefined) && <ErrorNote error={save.error} />}
        <div className="flex items-center gap-3 md:col-span-2">
          <Button type="submit" kind="primary" disabled={!isChanged || save.isPending || name.trim() === ''}>
            Save profile
          </Button>
        </div>
      </form>
    </Card>
  );
}

const here = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

function zones(chosen: string): { value: string; label: string }[] {
  const known = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];
  const all = chosen === '' || known.includes(chosen) ? known : [chosen, ...known];
  return [{ value: '', label: 'Not set' }, ...all.map((zone) => ({ value: zone, label: zone.replaceAll('_', ' ') }))];
}
