import { Moon, Sun } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../ui/button.tsx';

const KEY = 'everruns_theme';

/** The choice is kept by this browser; without one the system's counts (public/theme.js). */
export function ThemeToggle() {
  const [isDark, setDark] = useState(() => document.documentElement.classList.contains('dark'));
  const toggle = (): void => {
    document.documentElement.classList.toggle('dark', !isDark);
    localStorage.setItem(KEY, isDark ? 'light' : 'dark');
    setDark(!isDark);
  };
  return (
    <Button
      kind="quiet"
      square
      aria-label={isDark ? 'Use the light theme' : 'Use the dark theme'}
      onClick={toggle}
      icon={isDark ? <Sun aria-hidden className="size-4" /> : <Moon aria-hidden className="size-4" />}
    />
  );
}
