import type { Tone } from './notes.tsx';

const FILLS = { plain: 'bg-line-strong', good: 'bg-good', warn: 'bg-warn', bad: 'bg-bad', accent: 'bg-accent' } as const;

interface MeterProps {
  label: string;
  value: number;
  most: number;
  /** What is read out instead of a percentage. */
  text: string;
  tone?: Tone;
}

/** How full something is. The words stand beside it. */
export function Meter({ label, value, most, text, tone = 'accent' }: MeterProps) {
  const part = most <= 0 ? (value > 0 ? 1 : 0) : Math.min(1, Math.max(0, value / most));
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={Math.max(most, value)}
      aria-valuenow={value}
      aria-valuetext={text}
      className="h-2 overflow-hidden rounded-full bg-sunken"
    >
      <div className={`h-full rounded-full ${FILLS[tone]}`} style={{ width: `${part * 100}%` }} />
    </div>
  );
}
