import { useId } from 'react';
import type { InputHTMLAttributes, ReactNode, SelectHTMLAttributes, TextareaHTMLAttributes } from 'react';
import { classes } from './classes.ts';

const BOX =
  'w-full rounded-lg border border-line-strong bg-surface text-ink text-sm px-3 disabled:bg-sunken disabled:text-ink-faint aria-invalid:border-bad';

interface FieldProps {
  label: string;
  /** What to enter, in a sentence. */
  hint?: ReactNode;
  /** What is wrong with what was entered. */
  error?: string | null | undefined;
  /** The label is read out and not shown. */
  hideLabel?: boolean;
}

interface FrameProps extends FieldProps {
  id: string;
  children: ReactNode;
}

function Frame({ id, label, hint, error, hideLabel = false, children }: FrameProps) {
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-sm font-medium'}>
        {label}
      </label>
      {children}
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-[13px] text-ink-faint">
          {hint}
        </p>
      )}
      {error != null && (
        <p id={`${id}-error`} role="alert" className="text-[13px] text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

function described(id: string, { hint, error }: FieldProps): { 'aria-describedby'?: string; 'aria-invalid'?: true } {
  const ids = [hint !== undefined && `${id}-hint`, error != null && `${id}-error`].filter(Boolean).join(' ');
  return { ...(ids !== '' && { 'aria-describedby': ids }), ...(error != null && { 'aria-invalid': true as const }) };
}

export function TextField({ label, hint, error, hideLabel, className, ...rest }: FieldProps & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  const field = { label, hint, error, ...(hideLabel !== undefined && { hideLabel }) };
  return (
    <Frame id={id} {...field}>
      <input id={id} className={classes(BOX, 'h-9', className)} {...described(id, field)} {...rest} />
    </Frame>
  );
}

export function TextArea({ label, hint, error, hideLabel, className, ...rest }: FieldProps & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  const field = { label, hint, error, ...(hideLabel !== undefined && { hideLabel }) };
  return (
    <Frame id={id} {...field}>
      <textarea id={id} className={classes(BOX, 'min-h-24 py-2 leading-relaxed', className)} {...described(id, field)} {...rest} />
    </Frame>
  );
}

interface Choice {
  value: string;
  label: string;
}

type SelectProps = FieldProps & SelectHTMLAttributes<HTMLSelectElement> & { choices: readonly Choice[] };

/** The browser's own: it works on phones, with keyboards and with readers. */
export function SelectField({ label, hint, error, hideLabel, choices, className, ...rest }: SelectProps) {
  const id = useId();
  const field = { label, hint, error, ...(hideLabel !== undefined && { hideLabel }) };
  return (
    <Frame id={id} {...field}>
      <select id={id} className={classes(BOX, 'h-9', className)} {...described(id, field)} {...rest}>
        {choices.map(({ value, label: text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </Frame>
  );
}

export function CheckField({ label, hint, ...rest }: FieldProps & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className="flex items-start gap-2.5">
      <input id={id} type="checkbox" className="mt-1 size-4 accent-accent" {...described(id, { label, hint })} {...rest} />
      <div>
        <label htmlFor={id} className="text-sm font-medium">
          {label}
        </label>
        {hint !== undefined && (
          <p id={`${id}-hint`} className="text-[13px] text-ink-faint">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}
