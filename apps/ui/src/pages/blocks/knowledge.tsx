import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Library } from 'lucide-react';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { BlockList, listQuery } from './block-list.tsx';
import { NameForm } from './name-form.tsx';
import type { Named } from './name-form.tsx';

export function KnowledgeBases() {
  const query = listQuery(useSearch({ from: '/knowledge' }));
  const found = useQuery({
    queryKey: scoped('knowledge', 'list', query),
    queryFn: async () => (await api.get('/v1/knowledge-bases', { params: { query } })).data,
    placeholderData: keepPreviousData,
  });
  return (
    <BlockList
      path="/knowledge"
      title="Knowledge"
      about="What agents look up: notes, tables, runbooks. They search it and cite it."
      icon={<Library aria-hidden className="size-8" />}
      found={found}
      columns={[{ title: 'Entries', align: 'right', cell: ({ entry_count }: Schemas['KnowledgeBase']) => entry_count }]}
      empty={{
        title: 'No knowledge base yet',
        text: 'Write down what your agents should know, entry by entry. Give it to an agent with the capability "Knowledge base".',
      }}
      add={{ verb: 'Add knowledge base', form: <AddBase /> }}
    />
  );
}

function AddBase() {
  const navigate = useNavigate();
  const save = useChange((body: Named) => api.post('/v1/knowledge-bases', { body }), 'knowledge');
  return (
    <NameForm
      given={null}
      verb="Add knowledge base"
      save={save}
      onDone={({ id }) => void navigate({ to: '/knowledge/$id', params: { id } })}
    />
  );
}
