import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Brain } from 'lucide-react';
import { useState } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { BlockList, listQuery } from './block-list.tsx';
import { SyncState } from './memory-sync.tsx';
import { NameForm } from './name-form.tsx';
import type { Named } from './name-form.tsx';

type Memory = Schemas['Memory'];
type Source = NonNullable<Schemas['CreateMemory']['source']>;

export function Memories() {
  const query = listQuery(useSearch({ from: '/memories' }));
  const found = useQuery({
    queryKey: scoped('memories', 'list', query),
    queryFn: async () => (await api.get('/v1/memories', { params: { query } })).data,
    placeholderData: keepPreviousData,
  });
  return (
    <BlockList
      path="/memories"
      title="Memories"
      about="Files that last longer than a session. Agents see them in their workspace."
      icon={<Brain aria-hidden className="size-8" />}
      found={found}
      columns={[
        { title: 'Source', wide: true, cell: ({ source_type }: Memory) => SOURCES[source_type] ?? source_type },
        { title: 'Sync', wide: true, cell: (memory: Memory) => <SyncState memory={memory} /> },
      ]}
      empty={{
        title: 'No memory yet',
        text: 'A memory holds files that several sessions share: written by agents, or kept in step with a repository. Mount it with the capability "Memory".',
      }}
      add={{ verb: 'Add memory', form: <AddMemory /> }}
    />
  );
}

const SOURCES: Readonly<Record<string, string>> = { manual: 'written here', github: 'GitHub', git: 'Git' };

function AddMemory() {
  const navigate = useNavigate();
  const [type, setType] = useState<'manual' | Source['type']>('manual');
  const [place, setPlace] = useState('');
  const [branch, setBranch] = useState('');
  const save = useChange((named: Named) => {
    const more = branch.trim() === '' ? {} : { branch: branch.trim() };
    const source: Source | null =
      type === 'manual' ? null : type === 'github' ? { type, repository: place.trim(), ...more } : { type, url: place.trim(), ...more };
    return api.post('/v1/memories', { body: { ...named, ...(source !== null && { source }) } });
  }, 'memories');
  return (
    <NameForm given={null} verb="Add memory" save={save} onDone={({ id }) => void navigate({ to: '/memories/$id', params: { id } })}>
      <SelectField
        label="Source"
        value={type}
        choices={[
          { value: 'manual', label: 'Written by people and agents' },
          { value: 'github', label: 'A GitHub repository' },
          { value: 'git', label: 'A Git repository' },
        ]}
        onChange={(event) => setType(event.target.value as typeof type)}
      />
      {type !== 'manual' && (
        <>
          <TextField
            label={type === 'github' ? 'Repository' : 'Address'}
            required
            placeholder={type === 'github' ? 'owner/name' : 'https://git.example.com/notes.git'}
            value={place}
            error={fieldError(save.error, 'source')}
            onChange={(event) => setPlace(event.target.value)}
          />
          <TextField label="Branch" hint="Empty: the usual one." value={branch} onChange={(event) => setBranch(event.target.value)} />
        </>
      )}
    </NameForm>
  );
}
