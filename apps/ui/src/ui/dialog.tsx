import { AlertDialog } from '@base-ui/react/alert-dialog';
import { Dialog as Base } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { useState } from 'react';
import { Button } from './button.tsx';

const BACKDROP = 'fixed inset-0 z-40 bg-black/40';
const POPUP =
  'fixed top-1/2 left-1/2 z-50 max-h-[90dvh] w-[calc(100%-2rem)] max-w-lg -translate-x-1/2 -translate-y-1/2 overflow-y-auto rounded-2xl border border-line bg-surface p-5 shadow-xl';

interface DialogProps {
  title: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
}

export function Dialog({ title, open, onClose, children }: DialogProps) {
  return (
    <Base.Root open={open} onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={BACKDROP} />
        <Base.Popup className={POPUP}>
          <div className="mb-4 flex items-center justify-between gap-4">
            <Base.Title className="text-lg font-semibold">{title}</Base.Title>
            <Base.Close aria-label="Close" className="rounded-lg p-1.5 text-ink-faint hover:bg-sunken">
              <X aria-hidden className="size-4" />
            </Base.Close>
          </div>
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

interface ConfirmProps {
  /** The button that asks. */
  trigger: (ask: () => void) => ReactNode;
  title: string;
  children: ReactNode;
  /** What the button says that does it. */
  verb: string;
  act: () => void | Promise<unknown>;
  /** What the button says that does nothing. */
  keep?: string;
  /** How the button looks that does it. */
  kind?: 'danger' | 'primary';
}

/** Asks before what cannot be taken back. */
export function Confirm({ trigger, title, children, verb, act, keep = 'Keep it', kind = 'danger' }: ConfirmProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      {trigger(() => setOpen(true))}
      <AlertDialog.Root open={isOpen} onOpenChange={setOpen}>
        <AlertDialog.Portal>
          <AlertDialog.Backdrop className={BACKDROP} />
          <AlertDialog.Popup className={POPUP}>
            <AlertDialog.Title className="mb-2 text-lg font-semibold">{title}</AlertDialog.Title>
            <AlertDialog.Description render={<div />} className="mb-5 text-sm text-ink-soft">
              {children}
            </AlertDialog.Description>
            <div className="flex justify-end gap-2">
              <Button onClick={() => setOpen(false)}>{keep}</Button>
              <Button
                kind={kind}
                onClick={() => {
                  setOpen(false);
                  void act();
                }}
              >
                {verb}
              </Button>
            </div>
          </AlertDialog.Popup>
        </AlertDialog.Portal>
      </AlertDialog.Root>
    </>
  );
}
