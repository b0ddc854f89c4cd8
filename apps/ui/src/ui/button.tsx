import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { classes } from './classes.ts';

const KINDS = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong border-transparent',
  plain: 'bg-surface text-ink hover:bg-sunken border-line',
  quiet: 'bg-transparent text-ink-soft hover:bg-sunken hover:text-ink border-transparent',
  danger: 'bg-surface text-bad hover:bg-bad-soft border-line',
} as const;

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: keyof typeof KINDS;
  /** Only an icon: `aria-label` says what it does. */
  square?: boolean;
  icon?: ReactNode;
}

export function Button({ kind = 'plain', square = false, icon, className, children, type = 'button', ...rest }: ButtonProps) {
  return (
    <button type={type} className={buttonClasses(kind, square, className)} {...rest}>
      {icon}
      {children}
    </button>
  );
}

/** For links that look like buttons. */
export function buttonClasses(kind: keyof typeof KINDS = 'plain', square = false, more?: string): string {
  return classes(
    'inline-flex h-9 shrink-0 cursor-pointer items-center justify-center gap-2 rounded-lg border text-sm font-medium whitespace-nowrap transition-colors',
    'disabled:cursor-not-allowed disabled:opacity-55',
    square ? 'w-9' : 'px-3.5',
    KINDS[kind],
    more,
  );
}
