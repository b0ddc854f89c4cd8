import type { Schemas } from '../../data/queries.ts';
import { Badge } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';

type Memory = Schemas['Memory'];

const TONES: Readonly<Record<Memory['sync_status'], Tone>> = {
  idle: 'plain',
  pending: 'accent',
  syncing: 'accent',
  synced: 'good',
  failed: 'bad',
};

/** How a memory stands to its source; one without a source has nothing to be in step with. */
export function SyncState({ memory: { source_type, sync_status } }: { memory: Memory }) {
  if (source_type === 'manual') return null;
  return <Badge tone={TONES[sync_status]}>{sync_status}</Badge>;
}
