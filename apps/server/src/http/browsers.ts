import cors from '@fastify/cors';
import type { Api } from './types.ts';

export interface BrowserSettings {
  /** Origins whose pages may call the API with credentials; empty: none, and no header says anything about it. */
  corsOrigins: readonly string[];
  /** People and clients reach the installation by https alone. */
  isHttpsOnly: boolean;
}

/** What a page has a use for beyond the headers that browsers always show. */
const EXPOSED = [
  'X-Request-Id',
  'ETag',
  'Location',
  'Content-Disposition',
  'Retry-After',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'RateLimit-Policy',
  'WWW-Authenticate',
];
const PREFLIGHT_SECONDS = 600;
const YEAR_SECONDS = 31_536_000;

/** An API has no pages: nothing of it may be shown in a frame, run, or be taken for another type. Routes that serve content say what is right for it. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'referrer-policy': 'strict-origin-when-cross-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/** Before everything that may answer, so that its refusals can be read by the pages that get them. */
export async function answerBrowsers(app: Api, { corsOrigins, isHttpsOnly }: BrowserSettings): Promise<void> {
  const headers = { ...HEADERS, ...(isHttpsOnly && { 'strict-transport-security': `max-age=${YEAR_SECONDS}` }) };
  app.addHook('onRequest', async (_request, reply) => void reply.headers(headers));
  if (corsOrigins.length === 0) return;
  await app.register(cors, {
    origin: [...corsOrigins],
    credentials: true,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
    strictPreflight: false,
  });
}
