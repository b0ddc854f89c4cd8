import { chosenOrganization } from '../data/client.ts';

const YEAR_SECONDS = 31_536_000;

/** Loads everything anew in another organization, or in none. Does nothing where the browser keeps no cookies. */
export function reloadIn(id: string | undefined): void {
  const secure = window.location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `everruns_org=${id ?? ''}; Path=/; SameSite=Lax; Max-Age=${id === undefined ? 0 : YEAR_SECONDS}${secure}`;
  if (chosenOrganization() === id) window.location.reload();
}
