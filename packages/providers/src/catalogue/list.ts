import { type ListedModel, ModelError } from '@everruns/agent/model';
import { getJson, type CatalogueCall } from './get-json.ts';

/** How each protocol lists its models. Only what generates text is kept; what is not understood is left out, never guessed at. */

/** More than any vendor has; a server that never ends is cut off here. */
const MAX_MODELS = 5_000;
const MAX_PAGES = 20;
const PAGE = 1_000;
const MAX_ID_LENGTH = 256;
const MAX_NAME_LENGTH = 512;
const MAX_TOKENS = 1_000_000_000;

interface CatalogueAddress {
  baseUrl: string;
  apiKey: string | undefined;
}

/** OpenAI's list has everything that it sells, by name alone. */
const NOT_CHAT =
  /embedding|tts|whisper|dall-e|image|moderation|realtime|audio|transcribe|babbage|davinci|sora|-search-|computer-use|instruct|live/;

export async function listOpenai({ baseUrl, apiKey }: CatalogueAddress, call: CatalogueCall): Promise<ListedModel[]> {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const body = await getJson(`${baseUrl}/models`, { ...call, apiKey, headers });
  const isVendor = new URL(baseUrl).hostname === 'api.openai.com';
  return collect(rows(body, 'data'), (row) => {
    const id = row['id'];
    return typeof id !== 'string' || (isVendor && NOT_CHAT.test(id)) ? null : { id };
  });
}

export async function listAnthropic({ baseUrl, apiKey }: CatalogueAddress, call: CatalogueCall): Promise<ListedModel[]> {
  const headers = { 'x-api-key': apiKey ?? '', 'anthropic-version': '2023-06-01' };
  const found: unknown[] = [];
  for (let page = 0, after = ''; page < MAX_PAGES && found.length < MAX_MODELS; page += 1) {
    const query = after === '' ? '' : `&after_id=${encodeURIComponent(after)}`;
    const body = await getJson(`${baseUrl}/models?limit=${PAGE}${query}`, { ...call, apiKey, headers });
    found.push(...rows(body, 'data'));
    const last = body['last_id'];
    if (body['has_more'] !== true || typeof last !== 'string' || last === after) break;
    after = last;
  }
  return collect(found, (row) => (typeof row['id'] === 'string' ? { id: row['id'], ...named(row['display_name']) } : null));
}

export async function listGoogle({ baseUrl, apiKey }: CatalogueAddress, call: CatalogueCall): Promise<ListedModel[]> {
  const headers = { 'x-goog-api-key': apiKey ?? '' };
  const found: unknown[] = [];
  for (let page = 0, token = ''; page < MAX_PAGES && found.length < MAX_MODELS; page += 1) {
    const query = token === '' ? '' : `&pageToken=${encodeURIComponent(token)}`;
    const body = await getJson(`${baseUrl}/models?pageSize=${PAGE}${query}`, { ...call, apiKey, headers });
    found.push(...rows(body, 'models'));
    const next = body['nextPageToken'];
    if (typeof next !== 'string' || next === '' || next === token) break;
    token = next;
  }
  return collect(found, (row) => {
    const name = row['name'];
    const methods = row['supportedGenerationMethods'];
    if (typeof name !== 'string' || !Array.isArray(methods) || !methods.includes('generateContent')) return null;
    return { id: name.replace(/^models\//, ''), ...named(row['displayName']), ...limitsOf(row) };
  });
}

function limitsOf({ inputTokenLimit: context, outputTokenLimit: output }: Record<string, unknown>): Pick<ListedModel, 'limits'> {
  return isTokens(context) && isTokens(output) ? { limits: { context, output } } : {};
}

function isTokens(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_TOKENS;
}

function named(name: unknown): Pick<ListedModel, 'displayName'> {
  return typeof name === 'string' && name !== '' ? { displayName: name.slice(0, MAX_NAME_LENGTH).toWellFormed().replaceAll('\0', '') } : {};
}

function rows(body: Record<string, unknown>, key: string): unknown[] {
  const list = body[key];
  if (!Array.isArray(list)) throw new ModelError('invalid_response', `The list of models has no "${key}".`);
  return list as unknown[];
}

function collect(found: readonly unknown[], read: (row: Record<string, unknown>) => ListedModel | null): ListedModel[] {
  const byId = new Map<string, ListedModel>();
  for (const row of found) {
    const model = typeof row === 'object' && row !== null ? read(row as Record<string, unknown>) : null;
    if (model === null || !isName(model.id) || byId.has(model.id)) continue;
    byId.set(model.id, model);
    if (byId.size === MAX_MODELS) break;
  }
  return [...byId.values()];
}

/** Printable, without blanks: it becomes a part of addresses and logs. */
function isName(id: string): boolean {
  return id.length > 0 && id.length <= MAX_ID_LENGTH && /^[\x21-\x7e]+$/.test(id);
}
