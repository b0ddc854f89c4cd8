import { Check, Copy } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';

const SHOWN_MS = 1_500;
const MOST_CHARS = 100_000;

export function JsonView({ value }: { value: unknown }) {
  const text = JSON.stringify(value, null, 2);
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  return (
    <div className="relative mt-1.5">
      <pre
        tabIndex={0}
        className="max-h-[60dvh] overflow-auto rounded-lg bg-sunken p-3 pr-12 font-mono text-xs break-words whitespace-pre-wrap"
      >
        {text.slice(0, MOST_CHARS)}
        {text.length > MOST_CHARS && '\n… the rest is copied with it'}
      </pre>
      <Button
        kind="quiet"
        square
        className="absolute top-1.5 right-1.5 size-7"
        aria-label={isCopied ? 'Copied' : 'Copy'}
        onClick={() => void copy()}
        icon={isCopied ? <Check aria-hidden className="size-3.5 text-good" /> : <Copy aria-hidden className="size-3.5" />}
      />
    </div>
  );
}
