import { EVENT_CATALOGUE } from '@everruns/contract';
import type { EventSpec } from '@everruns/contract';
import type { Database } from '@everruns/storage';
import { z } from 'zod';

const CATALOGUE: Readonly<Record<string, EventSpec>> = EVENT_CATALOGUE;

/** What the log holds and the catalogue does not say: types, members, or values of another form. Each is named once. */
export async function eventsOutsideCatalogue(db: Database): Promise<string[]> {
  const rows = await db.run<{ type: string; data: unknown }>({ name: 'test_all_events', text: 'select type, data from events' });
  const found = new Set<string>();
  for (const { type, data } of rows) {
    const schema = CATALOGUE[type]?.data;
    if (schema === undefined) found.add(type);
    const checked = schema === undefined ? undefined : exact(schema).safeParse(data);
    for (const { path, message } of checked?.error?.issues ?? []) found.add(`${type} ${path.join('.')}: ${message}`);
  }
  return [...found];
}

/** Its own members and no others. */
function exact(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodObject ? z.strictObject(schema.shape) : schema;
}
