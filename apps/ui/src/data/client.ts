import { createClient } from '@everruns/client';
import type { Client } from '@everruns/client';

const API = '/api';
const ORGANIZATION_COOKIE = /(?:^|; )everruns_org=([^;]+)/;

/** The organization that this browser works in. The header decides; the cookie is for what cannot send one. */
export function chosenOrganization(): string | undefined {
  return ORGANIZATION_COOKIE.exec(document.cookie)?.[1];
}

let renewing: Promise<boolean> | null = null;

/** All that find the login expired wait for one renewal. */
async function renewed(): Promise<boolean> {
  renewing ??= fetch(`${API}/v1/auth/refresh`, { method: 'POST', credentials: 'same-origin' })
    .then(
      ({ ok }) => ok,
      () => false,
    )
    .finally(() => (renewing = null));
  return renewing;
}

const fetcher: typeof fetch = async (input, init) => {
  const request = new Request(input, init);
  const answer = await fetch(request.clone());
  if (answer.status !== 401 || request.url.includes('/v1/auth/refresh')) return answer;
  if (await renewed()) return fetch(request);
  return answer;
};

/** The one client of this page. Another organization means another page. */
export const everruns: Client = createClient({
  baseUrl: new URL(API, window.location.origin).href,
  credentials: 'same-origin',
  fetch: fetcher,
  ...(chosenOrganization() !== undefined && { organization: chosenOrganization() as string }),
});

export const api = everruns.api;
