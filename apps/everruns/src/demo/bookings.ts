import { appendFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { toolSuccess, type Capability, type JsonObject, type ToolSpec } from '@everruns/agent/capability';

/**
 * The demo's own capability: bookings that really happen, as lines in a file, and that nobody wants twice. A worker loads it when its
 * EVERRUNS_CAPABILITY_MODULES names this module.
 */

const BOOKING_MS = 600;

const book: ToolSpec = {
  name: 'book',
  display_name: 'Book',
  description: 'Books one thing. Each call is charged, so do not repeat it.',
  parameters: {
    type: 'object',
    additionalProperties: false,
    required: ['what'],
    properties: { what: { type: 'string', description: 'What to book.' } },
  },
  // No hint that it may be repeated: then the engine never does.
  hints: {},
  narration: { present: 'Booking {what}', past: 'Booked {what}' },
};

/** `ledger` in the configuration is the file that the bookings go to. */
export const bookings: Capability = {
  info: {
    id: 'demo_bookings',
    name: 'Bookings',
    description: 'Books things by writing them into a file.',
    status: 'available',
    risk_level: 'medium',
    tools: [book],
    features: [],
    dependencies: [],
    config_schema: { type: 'object', required: ['ledger'], properties: { ledger: { type: 'string' } } },
  },
  checkConfig: ({ ledger }) => (typeof ledger === 'string' ? null : '"ledger" must name a file'),
  resolve: ({ ledger }) => ({ tools: [{ definition: book, execute: (args, ctx) => enter(ledger as string, args, ctx.tool_call_id) }] }),
};

export const capabilities: Capability[] = [bookings];

async function enter(ledger: string, args: JsonObject, callId: string) {
  await wait(BOOKING_MS);
  await appendFile(ledger, `${JSON.stringify({ call: callId, what: args.what })}\n`);
  return toolSuccess({ booked: args.what ?? null });
}
