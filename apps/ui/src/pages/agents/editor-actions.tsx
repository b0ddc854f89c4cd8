import { Menu } from '@base-ui/react/menu';
import { useNavigate } from '@tanstack/react-router';
import { Archive, ArchiveRestore, Copy, Download, Ellipsis, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { useChange, useMay } from '../../data/changes.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import { Button, buttonClasses } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { download } from './download.ts';
import { CALLS } from './kinds.ts';
import type { Entity, Format, Kind } from './kinds.ts';
import { WORDS } from './words.ts';

const FORMATS: readonly { format: Format; title: string; extension: string }[] = [
  { format: 'markdown', title: 'Export as Markdown', extension: 'md' },
  { format: 'yaml', title: 'Export as YAML', extension: 'yaml' },
  { format: 'json', title: 'Export as JSON', extension: 'json' },
];
const ITEM = 'flex cursor-pointer items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm outline-none data-highlighted:bg-sunken';

export function EditorActions({ kind, entity, isBuiltIn }: { kind: Kind; entity: Entity; isBuiltIn: boolean }) {
  const { things, copy, setStatus, document } = CALLS[kind];
  const { manage, destroy } = useMay(kind);
  const navigate = useNavigate();
  const [isDeleting, setDeleting] = useState(false);
  const isArchived = entity.status === 'archived';
  const copying = useChange(() => copy(entity.id), things);
  const status = useChange((next: 'active' | 'archived') => setStatus(entity.id, next), things);
  const exporting = useChange(async ({ format, extension }: (typeof FORMATS)[number]) =>
    download(`${entity.name}.${extension}`, await document(entity.id, format)),
  );
  const error = copying.error ?? status.error ?? exporting.error;
  const copyIt = (): void =>
    copying.mutate(undefined, { onSuccess: ({ name }) => void navigate({ to: `/${things}/$idOrName`, params: { idOrName: name } }) });
  return (
    <>
      {error !== null && <ErrorNote error={error} />}
      {manage && (
        <Button
          kind={isBuiltIn ? 'primary' : 'plain'}
          icon={<Copy aria-hidden className="size-4" />}
          disabled={copying.isPending}
          onClick={copyIt}
        >
          Copy
        </Button>
      )}
      <Menu.Root>
        <Menu.Trigger aria-label="More actions" className={buttonClasses('plain', true)}>
          <Ellipsis aria-hidden className="size-4" />
        </Menu.Trigger>
        <Menu.Portal>
          <Menu.Positioner align="end" sideOffset={6} className="z-40">
            <Menu.Popup className="min-w-56 rounded-xl border border-line bg-surface p-1.5 shadow-xl outline-none">
              {FORMATS.map((each) => (
                <Item key={each.format} icon={<Download aria-hidden className="size-4" />} onClick={() => exporting.mutate(each)}>
                  {each.title}
                </Item>
              ))}
              {!isBuiltIn && manage && (
                <>
                  <Menu.Separator className="my-1.5 h-px bg-line" />
                  {isArchived ? (
                    <Item icon={<ArchiveRestore aria-hidden className="size-4" />} onClick={() => status.mutate('active')}>
                      Restore
                    </Item>
                  ) : (
                    <Item icon={<Archive aria-hidden className="size-4" />} onClick={() => status.mutate('archived')}>
                      Archive
                    </Item>
                  )}
                </>
              )}
              {!isBuiltIn && destroy && (
                <Item isBad icon={<Trash2 aria-hidden className="size-4" />} onClick={() => setDeleting(true)}>
                  Delete for good
                </Item>
              )}
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
      <DeleteDialog kind={kind} entity={entity} open={isDeleting} onClose={() => setDeleting(false)} />
    </>
  );
}

interface ItemProps {
  icon: ReactNode;
  onClick: () => void;
  isBad?: boolean;
  children: ReactNode;
}

function Item({ icon, onClick, isBad = false, children }: ItemProps) {
  return (
    <Menu.Item className={isBad ? `${ITEM} text-bad` : ITEM} onClick={onClick}>
      {icon}
      {children}
    </Menu.Item>
  );
}

interface DeleteDialogProps {
  kind: Kind;
  entity: Entity;
  open: boolean;
  onClose: () => void;
}

function DeleteDialog({ kind, entity, open, onClose }: DeleteDialogProps) {
  const { things, destroy, setStatus } = CALLS[kind];
  const navigate = useNavigate();
  // What is deleted for good has to be archived first.
  const remove = useChange(async () => {
    if (entity.status === 'active') await setStatus(entity.id, 'archived');
    await destroy(entity.id);
  });
  const act = (): void =>
    remove.mutate(undefined, {
      onSuccess: () => {
        void navigate({ to: `/${things}`, ignoreBlocker: true });
        void queryClient.invalidateQueries({ queryKey: scoped(things, 'list') });
      },
    });
  return (
    <Dialog title={`Delete ${entity.display_name ?? entity.name}?`} open={open} onClose={onClose}>
      <p className="mb-4 text-sm text-ink-soft">
        The {WORDS[kind].one} is gone for good, and its name becomes free. Sessions that it has had stay. Archive it instead to keep it out
        of sight.
      </p>
      {remove.error !== null && <ErrorNote error={remove.error} />}
      <div className="mt-4 flex justify-end gap-2">
        <Button onClick={onClose}>Keep it</Button>
        <Button kind="danger" disabled={remove.isPending} onClick={act}>
          Delete for good
        </Button>
      </div>
    </Dialog>
  );
}
