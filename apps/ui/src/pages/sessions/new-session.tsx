import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Bot } from 'lucide-react';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { api } from '../../data/client.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';

const SHOWN = 100;

/** Chooses an agent and opens a conversation with it. */
export function NewSession({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  return (
    <Dialog title="New session" open={isOpen} onClose={onClose}>
      <Form onClose={onClose} />
    </Dialog>
  );
}

function Form({ onClose }: { onClose: () => void }) {
  const [words, setWords] = useState('');
  const [agentId, setAgentId] = useState<string>();
  const [title, setTitle] = useState('');
  const navigate = useNavigate();
  const agents = useQuery({
    queryKey: scoped('agents', 'choice'),
    queryFn: () => api.get('/v1/agents', { params: { query: { limit: SHOWN } } }),
  });
  const create = useMutation({
    mutationFn: () =>
      api.post('/v1/sessions', {
        // People look at it, so the agent may ask them.
        body: { agent_id: agentId ?? null, source: 'chat', hints: { ask_user: true }, ...(title.trim() !== '' && { title: title.trim() }) },
      }) as Promise<Schemas['Session']>,
    onSuccess: async ({ id }) => {
      void queryClient.invalidateQueries({ queryKey: scoped('sessions') });
      await navigate({ to: '/sessions/$sessionId', params: { sessionId: id } });
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (agentId !== undefined) create.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField label="Find an agent" type="search" value={words} onChange={(event) => setWords(event.target.value)} />
      {agents.error !== null && <ErrorNote error={agents.error} retry={() => void agents.refetch()} />}
      {agents.data === undefined && agents.error === null && <Skeleton rows={3} />}
      {agents.data !== undefined && <Agents agents={agents.data.data} words={words} chosen={agentId} onChoose={setAgentId} />}
      <TextField
        label="Title"
        hint="Optional; the agent may find one."
        value={title}
        maxLength={200}
        onChange={(event) => setTitle(event.target.value)}
      />
      {create.error !== null && <ErrorNote error={create.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Close</Button>
        <Button kind="primary" type="submit" disabled={agentId === undefined || create.isPending}>
          New session
        </Button>
      </div>
    </form>
  );
}

interface AgentsProps {
  agents: Schemas['Agent'][];
  words: string;
  chosen: string | undefined;
  onChoose: (id: string) => void;
}

function Agents({ agents, words, chosen, onChoose }: AgentsProps) {
  const wanted = words.trim().toLowerCase();
  const found = agents.filter(({ name, display_name: title = '' }) => `${name} ${title}`.toLowerCase().includes(wanted));
  if (agents.length === 0) {
    return (
      <p className="text-sm text-ink-soft">
        There is no agent yet.{' '}
        <Link to={'/agents' as '/sessions'} className="text-accent underline">
          Make one
        </Link>{' '}
        first.
      </p>
    );
  }
  if (found.length === 0) return <p className="text-sm text-ink-faint">No agent has this name.</p>;
  return (
    <fieldset>
      <legend className="sr-only">Agent</legend>
      <div className="flex max-h-72 flex-col gap-1 overflow-y-auto p-0.5">
        {found.map((agent) => (
          <label
            key={agent.id}
            className="flex cursor-pointer items-start gap-3 rounded-lg border border-line px-3 py-2 hover:bg-sunken has-checked:border-accent has-checked:bg-accent-soft has-focus-visible:outline-2 has-focus-visible:outline-focus"
          >
            <input type="radio" name="agent" className="sr-only" checked={chosen === agent.id} onChange={() => onChoose(agent.id)} />
            <Bot aria-hidden className="mt-0.5 size-4 shrink-0 text-ink-faint" />
            <span className="min-w-0">
              <span className="block truncate text-sm font-medium">{agent.display_name ?? agent.name}</span>
              {agent.description !== undefined && <span className="line-clamp-1 block text-[13px] text-ink-soft">{agent.description}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
