// Before anything is painted: the chosen theme, else the system's.
const chosen = localStorage.getItem('everruns_theme');
const isDark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
document.documentElement.classList.toggle('dark', isDark);
