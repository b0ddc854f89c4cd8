import { Link } from '@tanstack/react-router';
import { Plus, X } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/fields.tsx';
import { IconButton } from './capabilities.tsx';
import type { ScopedServers } from './draft.ts';

interface ScopedServersProps {
  servers: ScopedServers;
  onChange: (servers: ScopedServers) => void;
  error: string | undefined;
  readOnly: boolean;
}

/** Servers that only this one uses. What else is said about a server stays as it is. */
export function ScopedServersField({ servers, onChange, error, readOnly }: ScopedServersProps) {
  const [name, setName] = useState('');
  const [url, setUrl] = useState('');
  const without = (gone: string): ScopedServers => Object.fromEntries(Object.entries(servers).filter(([each]) => each !== gone));
  return (
    <div className="flex flex-col gap-3">
      <p className="text-[13px] text-ink-faint">
        Servers that need a key, or that several agents use, belong to the organization:{' '}
        <Link to={'/mcp-servers' as '/'} className="underline">
          add them there
        </Link>
        , then add them as a capability.
      </p>
      {Object.entries(servers).map(([each, server]) => (
        <div key={each} className="flex items-end gap-1">
          <div className="grow">
            <TextField
              label={each}
              type="url"
              value={server.url ?? ''}
              onChange={(event) => onChange({ ...servers, [each]: { ...server, url: event.target.value } })}
            />
          </div>
          {!readOnly && <IconButton label={`Remove ${each}`} icon={X} onClick={() => onChange(without(each))} />}
        </div>
      ))}
      {error !== undefined && (
        <p role="alert" className="text-[13px] text-bad">
          {error}
        </p>
      )}
      {!readOnly && (
        <div className="flex flex-col gap-2 rounded-lg border border-line p-3">
          <TextField label="Name of the server" placeholder="docs" value={name} onChange={(event) => setName(event.target.value)} />
          <TextField
            label="Address of the server"
            type="url"
            placeholder="https://mcp.example.com/mcp"
            value={url}
            onChange={(event) => setUrl(event.target.value)}
          />
          <Button
            className="self-start"
            icon={<Plus aria-hidden className="size-4" />}
            disabled={name.trim() === '' || url.trim() === ''}
            onClick={() => {
              onChange({ ...servers, [name.trim()]: { type: 'http', url: url.trim() } });
              setName('');
              setUrl('');
            }}
          >
            Add server
          </Button>
        </div>
      )}
    </div>
  );
}
