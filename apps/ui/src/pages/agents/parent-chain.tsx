import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { harnesses } from './catalogue.ts';
import { chainOf } from './chain.ts';

/** What a harness is built on, down to the ground. */
export function ParentChain({ parentId }: { parentId: string }) {
  const { data } = useQuery(harnesses);
  const chain = chainOf(data ?? [], parentId);
  if (chain.length === 0) return null;
  return (
    <nav aria-label="What it builds on" className="text-sm text-ink-soft">
      Builds on{' '}
      {chain.map(({ id, name, display_name }, at) => (
        <span key={id}>
          {at > 0 && ', which builds on '}
          <Link to="/harnesses/$idOrName" params={{ idOrName: name }} className="font-medium text-accent hover:underline">
            {display_name ?? name}
          </Link>
        </span>
      ))}
    </nav>
  );
}
