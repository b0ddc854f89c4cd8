import type { UseQueryResult } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { CheckField, TextField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import type { TableColumn } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import type { ListSearch } from './routes.ts';

export interface Block {
  id: string;
  name: string;
  description?: string;
  status: string;
  updated_at: string;
}

type Path = '/mcp-servers' | '/skills' | '/knowledge' | '/memories';

interface BlockListProps<T extends Block> {
  path: Path;
  title: string;
  about: string;
  icon: ReactNode;
  found: UseQueryResult<T[]>;
  /** What is special about these. */
  columns: readonly TableColumn<T>[];
  /** How the empty page teaches. */
  empty: { title: string; text: string };
  /** Null: the caller may not add any. */
  add: { verb: string; form: ReactNode } | null;
}

/** What lists of building blocks have in common. */
export function BlockList<T extends Block>({ path, title, about, icon, found, columns, empty, add }: BlockListProps<T>) {
  const { search, archived, add: isAdding } = useSearch({ strict: false }) as ListSearch;
  const navigate = useNavigate();
  const { data, error, refetch } = found;
  const go = (next: ListSearch, replace = true): void => void navigate({ to: path, search: next, replace });
  const kept = { ...(search !== undefined && { search }), ...(archived && { archived }) };
  const addButton = add !== null && (
    <Button kind="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => go({ ...kept, add: true }, false)}>
      {add.verb}
    </Button>
  );
  return (
    <Page title={title} about={about} actions={addButton}>
      <div className="mb-4 flex flex-wrap items-center gap-x-6 gap-y-3">
        <div className="w-full max-w-sm">
          <TextField
            label={`Search ${title}`}
            hideLabel
            type="search"
            placeholder="Search by name or description"
            defaultValue={search}
            onChange={({ target }) => go({ ...(target.value !== '' && { search: target.value }), ...(archived && { archived }) })}
          />
        </div>
        <CheckField
          label="Show archived"
          checked={archived === true}
          onChange={({ target }) => go({ ...(search !== undefined && { search }), ...(target.checked && { archived: true }) })}
        />
      </div>
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton />}
      {data !== undefined && data.length === 0 && search !== undefined && <Empty title="Nothing has these words" />}
      {data !== undefined && data.length === 0 && search === undefined && (
        <Empty icon={icon} title={empty.title} action={addButton}>
          {empty.text}
        </Empty>
      )}
      {data !== undefined && data.length > 0 && (
        <Table
          label={title}
          rows={data}
          rowKey={({ id }) => id}
          columns={[{ title: 'Name', cell: (block) => <Name path={path} block={block} /> }, ...columns, STATE, UPDATED]}
        />
      )}
      {add !== null && (
        <Dialog title={add.verb} open={isAdding === true} onClose={() => go(kept)}>
          {add.form}
        </Dialog>
      )}
    </Page>
  );
}

function Name({ path, block: { id, name, description } }: { path: Path; block: Block }) {
  return (
    <div className="min-w-36">
      <Link to={`${path}/$id`} params={{ id }} className="font-medium hover:underline">
        {name}
      </Link>
      {description !== undefined && <p className="line-clamp-2 text-[13px] text-ink-soft">{description}</p>}
    </div>
  );
}

export function BlockState({ status }: { status: string }) {
  return <Badge tone={status === 'active' ? 'good' : 'warn'}>{status}</Badge>;
}

const STATE = { title: 'State', cell: ({ status }: Block) => <BlockState status={status} /> };
const UPDATED = { title: 'Updated', cell: ({ updated_at }: Block) => <Ago at={updated_at} />, wide: true };

/** What the API takes for what stands in the address. */
export function listQuery({ search, archived }: ListSearch) {
  return { ...(search !== undefined && { search }), ...(archived === true && { include_archived: 'true' as const }) };
}
