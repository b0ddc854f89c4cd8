import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Badge } from '../../ui/notes.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import type { Token } from './queries.ts';
import { scopesText } from './scope-choice.ts';

interface TokenTableProps {
  label: string;
  tokens: readonly Token[];
  /** Null: the caller may not delete them. */
  remove: ((id: string) => void) | null;
}

export function TokenTable({ label, tokens, remove }: TokenTableProps) {
  const columns = [
    {
      title: 'Name',
      cell: ({ name, key_prefix: prefix, all_organizations: isEverywhere }: Token) => (
        <div className="min-w-28">
          <p className="font-medium break-words">{name}</p>
          <p className="text-[13px] text-ink-soft">
            <code>{prefix}</code> {isEverywhere && <Badge>all organizations</Badge>}
          </p>
        </div>
      ),
    },
    {
      title: 'May',
      cell: ({ scopes }: Token) => <span title={scopes.join('\n')}>{scopesText(scopes)}</span>,
      wide: true,
    },
    {
      title: 'Last used',
      wide: true,
      cell: ({ last_used_at: at }: Token) => (at === undefined ? <span className="text-ink-faint">never</span> : <Ago at={at} />),
    },
    {
      title: 'Ends',
      cell: ({ expires_at: at }: Token) => (at === undefined ? <span className="text-ink-faint">never</span> : <Ago at={at} />),
    },
    {
      title: '',
      align: 'right' as const,
      cell: ({ id, name }: Token) =>
        remove !== null && (
          <Confirm
            title={`Delete ${name}?`}
            verb="Delete"
            act={() => remove(id)}
            trigger={(ask) => (
              <Button kind="danger" aria-label={`Delete ${name}`} onClick={ask}>
                Delete
              </Button>
            )}
          >
            Whatever uses this token is refused at once.
          </Confirm>
        ),
    },
  ];
  return <Table label={label} rows={tokens} rowKey={({ id }) => id} columns={columns} />;
}
