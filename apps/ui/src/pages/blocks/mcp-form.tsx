import { useState } from 'react';
import type { FormEvent } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { TextArea, TextField } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { readHeaders } from './headers.ts';

type Server = Schemas['McpServer'];

interface McpFormProps {
  /** Null: a new one. */
  server: Server | null;
  onDone: (server: Server) => void;
}

/** Key and headers go in and never come out again. */
export function McpForm({ server, onDone }: McpFormProps) {
  const [name, setName] = useState(server?.name ?? '');
  const [url, setUrl] = useState(server?.url ?? '');
  const [about, setAbout] = useState(server?.description ?? '');
  const [key, setKey] = useState('');
  const [headerText, setHeaderText] = useState('');
  const read = readHeaders(headerText);
  const headerProblem = 'problem' in read ? read.problem : undefined;
  const known = Object.keys(server?.headers ?? {});
  const save = useChange(
    () => {
      const headers = 'headers' in read && Object.keys(read.headers).length > 0 ? read.headers : undefined;
      const body = {
        name: name.trim(),
        url: url.trim(),
        description: about.trim() === '' ? null : about.trim(),
        ...(key !== '' && { api_key: key, auth_mode: 'api_key' as const }),
        ...(headers !== undefined && { headers }),
      };
      return server === null
        ? api.post('/v1/mcp-servers', { body })
        : api.patch('/v1/mcp-servers/{id}', { params: { path: { id: server.id } }, body });
    },
    'mcp-servers',
    'capabilities',
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (headerProblem !== undefined) return;
    save.mutate(undefined, {
      onSuccess: (saved) => {
        setKey('');
        setHeaderText('');
        onDone(saved);
      },
    });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label="Name"
        required
        value={name}
        error={fieldError(save.error, 'name')}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label="Address"
        type="url"
        required
        placeholder="https://mcp.example.com/mcp"
        value={url}
        error={fieldError(save.error, 'url')}
        onChange={(event) => setUrl(event.target.value)}
      />
      <TextField label="Description" value={about} onChange={(event) => setAbout(event.target.value)} />
      <TextField
        label={server?.api_key_set === true ? 'New key' : 'Key'}
        type="password"
        autoComplete="off"
        hint={
          server?.api_key_set === true
            ? 'One is set. Empty: it stays as it is.'
            : 'If the server wants one. It is stored encrypted and never shown again.'
        }
        value={key}
        error={fieldError(save.error, 'api_key')}
        onChange={(event) => setKey(event.target.value)}
      />
      <TextArea
        label={known.length > 0 ? 'New headers' : 'Headers'}
        hint={known.length > 0 ? `Set: ${known.join(', ')}. Empty: they stay as they are.` : 'One a line, as Name: value.'}
        rows={2}
        className="min-h-16 font-mono text-[13px]"
        value={headerText}
        error={headerProblem ?? fieldError(save.error, 'headers')}
        onChange={(event) => setHeaderText(event.target.value)}
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      <div className="flex items-center justify-end gap-3">
        <p role="status" className="text-sm text-ink-soft">
          {save.isSuccess && server !== null ? 'Saved' : ''}
        </p>
        <Button kind="primary" type="submit" disabled={save.isPending}>
          {server === null ? 'Add server' : 'Save'}
        </Button>
      </div>
    </form>
  );
}
