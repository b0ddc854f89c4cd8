import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `npm run dev -w apps/ui` serves the pages with an API elsewhere: set EVERRUNS_URL to its origin. */
export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    outDir: process.env['EVERRUNS_UI_OUT'] ?? 'dist',
    emptyOutDir: true,
    // Nothing in a page may need an exception from the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    port: 9305,
    proxy: Object.fromEntries(
      ['/api', '/health', '/oauth', '/login', '/register', '/device'].map((path) => [
        path,
        { target: process.env['EVERRUNS_URL'] ?? 'http://127.0.0.1:9301', changeOrigin: false },
      ]),
    ),
  },
});
