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
  /** There is little room: what columns say stands under the name. */
  isNarrow?: boolean;
}

export function TokenTable({ label, tokens, remove, isNarrow = false }: TokenTableProps) {
  const columns = [
    { title: 'Name', cell: (token: Token) => <Name token={token} isNarrow={isNarrow} /> },
    ...(isNarrow ? [] : DETAILS),
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

/** On phones, as in narrow places, there are no further columns. */
function Name({ token, isNarrow }: { token: Token; isNarrow: boolean }) {
  const { name, key_prefix: prefix, all_organizations: isEverywhere, scopes, expires_at: ends } = token;
  return (
    <div className="min-w-28">
      <p className="font-medium break-words">{name}</p>
      <p className="text-[13px] break-all text-ink-soft">
        <code>{prefix}</code> {isEverywhere && <Badge>all organizations</Badge>}
      </p>
      <p className={`text-[13px] text-ink-soft ${isNarrow ? '' : 'md:hidden'}`}>
        {scopesText(scopes)},{' '}
        {ends === undefined ? (
          'never ends'
        ) : (
          <>
            ends <Ago at={ends} />
          </>
        )}
      </p>
    </div>
  );
}

const DETAILS = [
  {
    title: 'May',
    wide: true,
    cell: ({ scopes }: Token) => <span title={scopes.join('\n')}>{scopesText(scopes)}</span>,
  },
  {
    title: 'Last used',
    wide: true,
    cell: ({ last_used_at: at }: Token) => (at === undefined ? <span className="text-ink-faint">never</span> : <Ago at={at} />),
  },
  {
    title: 'Ends',
    wide: true,
    cell: ({ expires_at: at }: Token) => (at === undefined ? <span className="text-ink-faint">never</span> : <Ago at={at} />),
  },
];
