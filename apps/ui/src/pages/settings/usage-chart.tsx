import { amountText, MEASURES } from './usage-words.ts';
import type { Measure } from './usage-words.ts';

interface Bar {
  name: string;
  amount: number;
}

/** Columns of equal width. The same numbers stand in the table beside it, so it is one picture to readers. */
export function UsageChart({ bars, measure }: { bars: readonly Bar[]; measure: Measure }) {
  const most = Math.max(...bars.map(({ amount }) => amount));
  const peak = bars.find(({ amount }) => amount === most);
  const said =
    most === 0 || peak === undefined
      ? `${MEASURES[measure]}: nothing in this time.`
      : `${MEASURES[measure]} from ${bars[0]?.name} to ${bars.at(-1)?.name}. The most is ${amountText(most, measure)}, ${peak.name}.`;
  return (
    <figure className="flex min-h-64 flex-col rounded-xl border border-line bg-surface p-4">
      <figcaption className="mb-3 text-[13px] text-ink-faint">
        {most === 0 ? 'Nothing in this time' : `${MEASURES[measure]}, ${amountText(most, measure)} at the highest`}
      </figcaption>
      <div role="img" aria-label={said} className="flex min-h-40 grow items-end gap-1 border-b border-line sm:gap-2">
        {bars.map(({ name, amount }) => (
          <div key={name} title={`${name}: ${amountText(amount, measure)}`} className="flex h-full grow basis-0 items-end justify-center">
            <div
              className="w-full max-w-12 rounded-t bg-accent"
              // What is not nothing is to be seen.
              style={{ height: amount === 0 ? 0 : `max(2px, ${(amount / most) * 100}%)` }}
            />
          </div>
        ))}
      </div>
      <div aria-hidden className="mt-1.5 flex justify-between gap-2 text-xs text-ink-faint">
        <span>{bars[0]?.name}</span>
        <span>{bars.at(-1)?.name}</span>
      </div>
    </figure>
  );
}
