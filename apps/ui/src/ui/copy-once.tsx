import { Check, Copy } from 'lucide-react';
import { useId, useState } from 'react';
import { Button } from './button.tsx';

/** A text to take along: it is shown here and nowhere else. */
export function CopyOnce({ label, text }: { label: string; text: string }) {
  const id = useId();
  const [said, setSaid] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied');
    } catch {
      setSaid('The browser does not let this page copy. Select the text and copy it.');
    }
  };
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          readOnly
          value={text}
          onFocus={(event) => event.target.select()}
          className="h-9 min-w-0 grow rounded-lg border border-line-strong bg-sunken px-3 font-mono text-[13px]"
        />
        <Button
          kind="primary"
          icon={said === 'Copied' ? <Check aria-hidden className="size-4" /> : <Copy aria-hidden className="size-4" />}
          onClick={() => void copy()}
        >
          Copy
        </Button>
      </div>
      <p role="status" className="min-h-5 text-[13px] text-ink-soft">
        {said}
      </p>
    </div>
  );
}
