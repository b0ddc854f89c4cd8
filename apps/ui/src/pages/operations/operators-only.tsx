import { ShieldAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { useCaller } from '../../data/access.ts';
import { Empty, Skeleton } from '../../ui/notes.tsx';

/** What shows the engine of the whole installation is for who runs it; nothing is asked of the server for others. */
export function OperatorsOnly({ children }: { children: ReactNode }) {
  const caller = useCaller();
  if (caller === undefined) return <Skeleton />;
  if (caller.is_platform_user) return children;
  return (
    <Empty icon={<ShieldAlert aria-hidden className="size-8" />} title="This is for operators of the installation">
      It shows the work of all organizations. Whoever runs this installation can make you an operator.
    </Empty>
  );
}
