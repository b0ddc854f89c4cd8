import { toPublicId } from '@everruns/contract';
import type { Message, Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

/** Messages are a view over three kinds of events. Opaque provider state is in a column that this never selects. */
const READ: Statement = {
  name: 'messages_read',
  text: `select s.id as session_id, e.seq, e.id, e.type, e.ts, e.data
    from sessions s left join lateral (
      select seq, id, type, ts, data from events
      where session_id = s.id and type in ('input.message', 'output.message.completed', 'tool.completed') and seq > $3 and seq < $4
      order by seq limit $5) e on true
    where s.id = $2 and s.org_id = $1 and s.deleted_at is null order by e.seq`,
};
const READ_LAST: Statement = {
  name: 'messages_read_last',
  text: `select s.id as session_id, e.seq, e.id, e.type, e.ts, e.data
    from sessions s left join lateral (
      select seq, id, type, ts, data from events
      where session_id = s.id and type in ('input.message', 'output.message.completed', 'tool.completed') and seq > $3 and seq < $4
      order by seq desc limit $5) e on true
    where s.id = $2 and s.org_id = $1 and s.deleted_at is null order by e.seq`,
};

interface MessageRow extends Row {
  session_id: Uuid;
  seq: number | null;
  id: Uuid;
  type: string;
  ts: Date;
  data: Record<string, unknown>;
}

export interface MessagesQuery {
  orgId: Uuid;
  sessionId: Uuid;
  /** Exclusive. */
  afterSequence?: number;
  /** Exclusive. */
  beforeSequence?: number;
  /** Without `afterSequence` the last ones, with it the first ones after it. */
  limit?: number;
}

const MAX_SEQUENCE = 2_147_483_647;

/** Oldest first; null when the session is not there or not in this organization. */
export async function readMessages(db: Queryable, query: MessagesQuery): Promise<Message[] | null> {
  const fromEnd = query.limit !== undefined && query.afterSequence === undefined;
  const rows = await db.run<MessageRow>(fromEnd ? READ_LAST : READ, [
    query.orgId,
    query.sessionId,
    query.afterSequence ?? 0,
    query.beforeSequence ?? MAX_SEQUENCE,
    query.limit ?? null,
  ]);
  if (rows.length === 0) return null;
  return rows.filter((row) => row.seq !== null).map(toMessage);
}

function toMessage(row: MessageRow): Message {
  const session = { session_id: toPublicId('session', row.session_id), sequence: row.seq as number };
  if (row.type === 'tool.completed') {
    return {
      id: toPublicId('message', row.id),
      role: 'tool_result',
      content: row.data['result'] as Message['content'],
      created_at: row.ts.toISOString(),
      ...session,
    };
  }
  return { ...(row.data['message'] as Message), ...session };
}
