import { useNavigate } from '@tanstack/react-router';
import { Archive, ArchiveRestore, Trash2 } from 'lucide-react';
import { useChange } from '../../data/changes.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { ErrorNote } from '../../ui/notes.tsx';

interface LifeActionsProps {
  /** How queries about these things are called. */
  things: string;
  path: '/mcp-servers' | '/skills' | '/knowledge' | '/memories';
  name: string;
  isArchived: boolean;
  may: { manage: boolean; destroy: boolean };
  archive: () => Promise<unknown>;
  restore: () => Promise<unknown>;
  destroy: () => Promise<unknown>;
  /** What is lost. */
  warning: string;
}

/** Archive, restore, and delete what is archived. */
export function LifeActions({ things, path, name, isArchived, may, warning, ...acts }: LifeActionsProps) {
  const navigate = useNavigate();
  const turn = useChange(() => (isArchived ? acts.restore() : acts.archive()), things, 'capabilities');
  const remove = useChange(async () => {
    if (!isArchived) await acts.archive();
    await acts.destroy();
  });
  const error = turn.error ?? remove.error;
  const act = (): void =>
    remove.mutate(undefined, {
      onSuccess: () => {
        void navigate({ to: path });
        void queryClient.invalidateQueries({ queryKey: scoped(things, 'list') });
      },
    });
  return (
    <>
      {error !== null && <ErrorNote error={error} />}
      {may.manage && (
        <Button
          icon={isArchived ? <ArchiveRestore aria-hidden className="size-4" /> : <Archive aria-hidden className="size-4" />}
          disabled={turn.isPending}
          onClick={() => turn.mutate()}
        >
          {isArchived ? 'Restore' : 'Archive'}
        </Button>
      )}
      {may.destroy && (
        <Confirm
          title={`Delete ${name}?`}
          verb="Delete for good"
          act={act}
          trigger={(ask) => (
            <Button kind="danger" icon={<Trash2 aria-hidden className="size-4" />} disabled={remove.isPending} onClick={ask}>
              Delete
            </Button>
          )}
        >
          {warning} Archive it instead to keep it out of sight.
        </Confirm>
      )}
    </>
  );
}

/** Things without a policy of their own: the server says when it is not allowed. */
export const MAY_ALL = { manage: true, destroy: true };
