/** A browser of a test: it keeps cookies by path and follows no redirect by itself. */
export interface Browser {
  get(url: string): Promise<Seen>;
  post(url: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Seen>;
}

export interface Seen {
  status: number;
  location: string | null;
  text: string;
  headers: Headers;
}

interface Cookie {
  value: string;
  path: string;
}

/** `accessToken`: of somebody who is logged in here. `served`: where requests really go, as behind a proxy. */
export function openBrowser(origin: string, accessToken?: string, served = origin): Browser {
  const cookies = new Map<string, Cookie>();
  if (accessToken !== undefined) cookies.set('access_token /', { value: accessToken, path: '/' });
  const send = async (url: string, init: RequestInit & { headers: Record<string, string> }): Promise<Seen> => {
    const target = new URL(url, origin);
    const sent = [...cookies].filter(([, { path }]) => target.pathname.startsWith(path));
    const cookie = sent.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ');
    const response = await fetch(new URL(`${target.pathname}${target.search}`, served), {
      ...init,
      redirect: 'manual',
      headers: cookie === '' ? init.headers : Object.assign(init.headers, { cookie }),
    });
    for (const line of response.headers.getSetCookie()) keep(cookies, line);
    return { status: response.status, location: response.headers.get('location'), text: await response.text(), headers: response.headers };
  };
  return {
    get: (url) => send(url, { headers: { accept: 'text/html' } }),
    post: (url, form, headers = {}) =>
      send(url, {
        method: 'POST',
        body: new URLSearchParams(form).toString(),
        headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded', origin, ...headers },
      }),
  };
}

function keep(cookies: Map<string, Cookie>, line: string): void {
  const [pair = '', ...attributes] = line.split(/;\s*/);
  const at = pair.indexOf('=');
  const path = attributes.find((one) => one.toLowerCase().startsWith('path='))?.slice(5) ?? '/';
  const key = `${pair.slice(0, at)} ${path}`;
  if (/expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(key);
  else cookies.set(key, { value: pair.slice(at + 1), path });
}

/** Goes through login and consent as a person does; the address that the client gets its answer at. */
export async function agree(browser: Browser, authorizeUrl: string, decision: 'approve' | 'cancel' = 'approve'): Promise<URL> {
  const asked = await browser.get(authorizeUrl);
  const page = await browser.get(need(asked.location, asked));
  const [action, token] = formOf(page);
  const answered = await browser.post(action, { form_token: token, decision });
  const done = await browser.get(need(answered.location, answered));
  return new URL(need(done.location, done));
}

export function formOf({ text, status }: Seen): [action: string, token: string] {
  const action = /<form[^>]* action="([^"]+)"/.exec(text)?.[1];
  const token = /name="form_token"[^>]* value="([^"]+)"/.exec(text)?.[1] ?? /value="([^"]+)"[^>]* name="form_token"/.exec(text)?.[1];
  if (action === undefined || token === undefined) throw new Error(`no form on the page (${status}): ${text}`);
  return [action, token];
}

function need(location: string | null, { status, text }: Seen): string {
  if (location === null) throw new Error(`expected a redirect, received ${status}: ${text}`);
  return location;
}
