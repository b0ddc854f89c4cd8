import { parseEventId, toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { agentMessage, createLogSession, deleteLogSession } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StreamConfig } from './port.ts';
import { glanceAt, idOf, OpenStream, startInstance, TEST_MESSAGE } from './testing/instance.suite.ts';
import type { TestInstance } from './testing/instance.suite.ts';

const OTHER_ORG = '00000000-0000-0000-0000-000000000002';
const MESSAGE_ID = toPublicId('message', TEST_MESSAGE);

let database: TestDatabase;
let db: Database;
let instance: TestInstance;
let sessionId: Uuid;
let open: OpenStream[] = [];

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 2 });
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

beforeEach(async () => {
  sessionId = await createLogSession(db);
});

afterEach(async () => {
  for (const stream of open) stream.close();
  open = [];
  await instance.close();
});

async function start(config: Partial<StreamConfig> = {}): Promise<void> {
  instance = await startInstance(database.settings, config);
}

async function stream(query = '', headers: Record<string, string> = {}, id = sessionId): Promise<OpenStream> {
  const opened = await OpenStream.open(`${instance.baseUrl}/v1/sessions/${toPublicId('session', id)}/sse?${query}`, headers);
  open.push(opened);
  return opened;
}

/** Opens a stream and takes its `connected`. */
async function connected(query = '', headers: Record<string, string> = {}): Promise<OpenStream> {
  const opened = await stream(query, headers);
  expect(opened.status, opened.body).toBe(200);
  expect((await opened.next())?.event).toBe('connected');
  return opened;
}

const started = { type: 'output.message.started', data: { message_id: MESSAGE_ID } } as const;
const completed = (text: string) => ({ type: 'output.message.completed', data: agentMessage(TEST_MESSAGE, text) }) as const;
const startTurn = [{ type: 'input.message' }, { type: 'turn.started' }, { type: 'reason.started', data: { attempt: 1 } }] as const;

describe('frames', () => {
  it('are those of the contract, byte for byte', async () => {
    await start();
    await instance.commit(sessionId, { type: 'session.started', data: { a: 1 } });
    const response = await fetch(`${instance.baseUrl}/v1/sessions/${toPublicId('session', sessionId)}/sse?after_sequence=0`);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toContain('no-cache');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    while (!text.includes('session.started')) text += new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    const [first, second] = text.split('\n\n');
    expect(first).toBe('event: connected\ndata: {"status":"connected"}\nretry: 100');
    expect(second).toMatch(
      /^event: session\.started\nid: event_[0-9a-f]{32}\nretry: 100\ndata: \{"id":"event_[0-9a-f]{32}","type":"session\.started",.*\}$/,
    );
  });

  it('of deltas have no id line, and an id in the payload that is a cursor', async () => {
    await start();
    const live = await connected('live=true');
    await instance.commit(sessionId, ...startTurn, started);
    instance.delta({ sessionId, startedSequence: 4, offset: 0, text: 'Hello' });
    await live.take(4);
    const delta = await live.next();
    expect(delta?.id).toBeUndefined();
    const event = JSON.parse(delta?.data ?? '') as { id: string; ts: string; session_id: string; context: object; data: object };
    expect(event).toMatchObject({ type: 'output.message.delta', session_id: toPublicId('session', sessionId) });
    expect(event.data).toMatchObject({ message_id: MESSAGE_ID, delta: 'Hello', accumulated: 'Hello', offset: 0, attempt: 1 });
    expect(parseEventId(event.id)).toMatchObject({ kind: 'ephemeral', sequence: 4, offset: 5 });
  });

  it('come as heartbeats while nothing happens', async () => {
    await start({ heartbeatMs: 100 });
    const quiet = await connected('live=true');
    expect([await quiet.nextLine(), await quiet.nextLine()]).toEqual([': heartbeat', ': heartbeat']);
  });

  it('end with `disconnecting`, alone and at least 50 ms after the last event, and then the response ends', async () => {
    await start({ cycleMs: 400 });
    const cycled = await connected('live=true');
    const events = setInterval(() => void instance.commit(sessionId, { type: 'tool.progress' }), 20);
    let lastEventAt = 0;
    let frame = await cycled.next();
    for (; frame !== null && frame.event !== 'disconnecting'; frame = await cycled.next()) lastEventAt = performance.now();
    const gapMs = performance.now() - lastEventAt;
    clearInterval(events);
    expect(JSON.parse(frame?.data ?? '')).toEqual({ reason: 'connection_cycle', retry_ms: 100 });
    expect(gapMs).toBeGreaterThanOrEqual(45);
    expect(await cycled.next()).toBeNull();
    await expect.poll(() => instance.streams.stats().streams).toBe(0);
  });

  it('say `shutdown` when the server closes', async () => {
    await start();
    const streams = await Promise.all([connected('live=true'), connected('live=true')]);
    await instance.streams.close();
    for (const opened of streams) expect(JSON.parse((await opened.next())?.data ?? '')).toMatchObject({ reason: 'shutdown' });
    expect((await stream()).status).toBe(503);
  });

  it('end when the session is removed, and a new stream is 404', async () => {
    await start();
    const opened = await connected('live=true');
    await deleteLogSession(db, sessionId);
    instance.streams.feed.deleted(sessionId);
    expect(JSON.parse((await opened.next())?.data ?? '')).toMatchObject({ reason: 'error' });
    expect((await stream()).status).toBe(404);
  });

  it('never come more often than every 45 s would allow: a longer heartbeat is refused with a warning', async () => {
    await start({ heartbeatMs: 45_000 });
    expect(instance.warnings).toEqual([expect.objectContaining({ heartbeatMs: 45_000 })]);
  });
});

describe('where a stream begins', () => {
  const types = ['session.started', 'input.message', 'turn.started', 'turn.completed', 'session.idled'] as const;

  beforeEach(async () => {
    await start();
    for (const type of types) await instance.commit(sessionId, { type });
  });

  it.each([
    ['after_sequence=0', types],
    ['after_sequence=3', types.slice(3)],
    ['', types.slice(1)],
    ['after_sequence=99', types.slice(1)],
  ])('with "%s" follows from there', async (query, expected) => {
    const opened = await connected(query);
    expect(await opened.take(expected.length)).toEqual(expected);
    await instance.commit(sessionId, { type: 'file.written' });
    expect(await opened.take(1)).toEqual(['file.written']);
  });

  it('with live=true replays nothing', async () => {
    const opened = await connected('live=true');
    await instance.commit(sessionId, { type: 'file.written' });
    expect(await opened.take(1)).toEqual(['file.written']);
  });

  it('takes since_id before Last-Event-ID, and Last-Event-ID before nothing', async () => {
    const all = await connected('after_sequence=0');
    const ids = [idOf(await all.next()), idOf(await all.next()), idOf(await all.next())];
    expect(await (await connected(`since_id=${ids[2]}`, { 'last-event-id': ids[0] as string })).take(2)).toEqual(types.slice(3));
    expect(await (await connected('', { 'last-event-id': ids[2] as string })).take(2)).toEqual(types.slice(3));
  });

  it('keeps the types it is asked for, and then leaves out those it is told to', async () => {
    const query = 'after_sequence=0&types=turn.started&types=session.idled&types=input.message&exclude=input.message';
    expect(await (await connected(query)).take(2)).toEqual(['turn.started', 'session.idled']);
  });
});

describe('refusals', () => {
  beforeEach(async () => {
    await start();
    await instance.commit(sessionId, { type: 'session.started' }, { type: 'input.message' }, { type: 'turn.started' });
  });

  const foreign = async (): Promise<string> => {
    let other = await createLogSession(db);
    while (other.slice(-3) === sessionId.slice(-3)) other = await createLogSession(db);
    await instance.commit(other, { type: 'session.started' });
    const opened = await stream('after_sequence=0', {}, other);
    await opened.next();
    return idOf(await opened.next());
  };

  it.each([
    ['since_id=event_12', 400, 'malformed_id', 'since_id'],
    ['since_id=session_0193aaaaaaaa7000800000000000abcd', 400, 'malformed_id', 'since_id'],
    ['since_id=', 400, 'invalid_request', 'since_id'],
    ['after_sequence=-1', 400, 'invalid_request', 'after_sequence'],
    ['after_sequence=x', 400, 'invalid_request', 'after_sequence'],
    ['after_sequence=2147483648', 400, 'invalid_request', 'after_sequence'],
    ['after_sequence=1&live=true', 400, 'conflicting_parameters', 'after_sequence'],
    ['after_sequence=1&after_sequence=2', 400, 'invalid_request', 'after_sequence'],
    ['live=perhaps', 400, 'invalid_request', 'live'],
    ['types=turn.startled', 400, 'unknown_event_type', 'types'],
    ['exclude=nothing', 400, 'unknown_event_type', 'exclude'],
    [Array.from({ length: 65 }, () => 'types=turn.started').join('&'), 400, 'invalid_request', 'types'],
  ])('answer "%s" with %i %s', async (query, status, code, field) => {
    const refused = await stream(query);
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([status, { code, field }]);
  });

  it('take 64 types', async () => {
    await connected(Array.from({ length: 64 }, () => 'types=turn.started').join('&'));
  });

  it('R15: know the id of another session, in the query and in the header', async () => {
    const id = await foreign();
    for (const refused of [await stream(`since_id=${id}`), await stream('', { 'last-event-id': id })]) {
      expect([refused.status, JSON.parse(refused.body)]).toMatchObject([400, { code: 'unknown_cursor' }]);
    }
  });

  it('W14: name the first event that is left when the cursor is older', async () => {
    await db.run({ name: 'prune', text: 'update session_heads set first_seq = 3 where session_id = $1' }, [sessionId]);
    const refused = await stream('after_sequence=1');
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
      410,
      { code: 'cursor_expired', detail: expect.stringContaining('from sequence 3') as string },
    ]);
    expect(await (await connected('after_sequence=2')).take(1)).toEqual(['turn.started']);
    expect(await (await connected('after_sequence=0')).take(1)).toEqual(['turn.started']);
  });

  it('are 404 for what another organization has, and for what is not there', async () => {
    expect((await stream('', { 'x-org': OTHER_ORG })).status).toBe(404);
    expect((await stream('', {}, '019a0000-0000-7000-8000-00000000dead')).status).toBe(404);
    const head = await fetch(`${instance.baseUrl}/v1/sessions/${toPublicId('session', sessionId)}/sse`, { method: 'HEAD' });
    expect([head.status, instance.streams.stats().streams]).toEqual([404, 0]);
    const malformed = await fetch(`${instance.baseUrl}/v1/sessions/agent_0193/sse`);
    expect([malformed.status, await malformed.json()]).toMatchObject([400, { code: 'malformed_id', field: 'id' }]);
  });
});

describe('limits', () => {
  it.each([
    ['global', { globalMax: 3 }, 'global'],
    ['of an organization', { perOrgMax: 3 }, 'per organization'],
    ['of a session', { perSessionMax: 3 }, 'per session'],
    ['global, shared by instances', { globalMax: 6, expectedInstances: 2 }, 'global'],
  ])('%s: the next stream is refused with its name and a time to wait, and let in as soon as one has closed', async (_, config, name) => {
    await start({ perSessionMax: 0, ...config });
    const streams = await Promise.all([1, 2, 3].map(() => connected('live=true')));
    const refused = await stream('live=true');
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
      429,
      { code: 'too_many_streams', detail: expect.stringContaining(name) as string },
    ]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    streams[0]?.close();
    await expect.poll(() => instance.streams.stats().streams).toBe(2);
    await connected('live=true');
  });

  it('do not count a stream that was refused for another reason', async () => {
    await start({ perSessionMax: 1 });
    for (let n = 0; n < 3; n++) expect((await stream('types=x')).status).toBe(400);
    for (let n = 0; n < 3; n++) expect((await stream('', { 'x-org': OTHER_ORG })).status).toBe(404);
    await connected();
    expect(instance.streams.stats()).toMatchObject({ streams: 1, watchedSessions: 1 });
  });
});

describe('text', () => {
  it('of a message that is being written goes to whoever comes in the middle, from the place that the cursor says', async () => {
    await start({ perSessionMax: 0 });
    await instance.commit(sessionId, ...startTurn, started);
    instance.delta({ sessionId, startedSequence: 4, offset: 0, text: 'Hello' });
    const first = await connected();
    await first.take(4);
    const cursor = idOf(await first.next());
    instance.delta({ sessionId, startedSequence: 4, offset: 5, text: ', wor' });
    expect(await first.take(1)).toEqual(['5+, wor']);
    const [resumed, whole, fresh] = [
      await connected(`since_id=${cursor}`),
      await connected('after_sequence=4'),
      await connected('live=true'),
    ];
    expect([await resumed.take(1), await whole.take(1), await fresh.take(1)]).toEqual([['5+, wor'], ['0+Hello, wor'], ['0+Hello, wor']]);
    await instance.commit(sessionId, completed('Hello, world'));
    for (const opened of [first, resumed, whole, fresh]) expect(await opened.take(2)).toEqual(['10+ld', 'output.message.completed']);
    expect(await (await connected(`since_id=${cursor}`)).take(2)).toEqual(['5+, world', 'output.message.completed']);
    expect(await (await connected()).take(5)).not.toContain('0+Hello, world');
  });

  it('keeps its place for a client that comes back from an event in its middle', async () => {
    await start();
    const opened = await connected('live=true');
    await instance.commit(sessionId, ...startTurn, started);
    instance.delta({ sessionId, startedSequence: 4, offset: 0, text: 'abc' });
    await opened.take(5);
    await instance.commit(sessionId, { type: 'input.message' });
    expect(glanceAt(await opened.next())).toBe('input.message');
    const place = await opened.next();
    expect(glanceAt(place)).toBe('3+');
    instance.delta({ sessionId, startedSequence: 4, offset: 3, text: 'def' });
    expect(await (await connected(`since_id=${idOf(place)}`)).take(1)).toEqual(['3+def']);
  });
});

describe('R4: a client that takes nothing', () => {
  it('gets no more than the cap, is dropped, and misses nothing when it comes back', async () => {
    await start({ clientBufferBytes: 65_536, slowClientMs: 200 });
    const blob = 'x'.repeat(50_000);
    const url = new URL(`${instance.baseUrl}/v1/sessions/${toPublicId('session', sessionId)}/sse?live=true`);
    const { connect } = await import('node:net');
    const socket = connect({ host: url.hostname, port: Number(url.port) });
    socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await expect.poll(() => instance.streams.stats().streams).toBe(1);
    socket.pause();
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    const before = process.memoryUsage().arrayBuffers;
    for (let n = 0; n < 400 && instance.streams.stats().droppedSlow === 0; n++)
      await instance.commit(sessionId, { type: 'tool.progress', data: { blob } });
    await expect.poll(() => instance.streams.stats().droppedSlow).toBe(1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40_000_000);
    socket.resume();
    await expect.poll(() => closed).toBe(true);
    await expect.poll(() => instance.streams.stats().streams).toBe(0);
    const back = await connected('after_sequence=0');
    const frames = await back.take(20);
    expect(new Set(frames)).toEqual(new Set(['tool.progress']));
  });

  it('for a while only is served everything', async () => {
    await start({ clientBufferBytes: 65_536, slowClientMs: 5_000 });
    const opened = await connected('live=true');
    const blob = 'x'.repeat(20_000);
    for (let n = 0; n < 200; n++) await instance.commit(sessionId, { type: 'tool.progress', data: { n, blob } });
    const seen: number[] = [];
    for (let n = 0; n < 200; n++) seen.push((JSON.parse((await opened.next())?.data ?? '') as { data: { n: number } }).data.n);
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(instance.streams.stats().droppedSlow).toBe(0);
  });
});

it('goes on when the database was away for a while', async () => {
  await start();
  const opened = await connected('after_sequence=0');
  await instance.commit(sessionId, { type: 'session.started' });
  await opened.take(1);
  await db.run({
    name: 'cut_all',
    text: 'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  });
  await expect.poll(() => instance.commit(sessionId, { type: 'input.message' }).catch(() => null)).toBe(2);
  expect(await opened.take(1)).toEqual(['input.message']);
  expect(await (await connected('after_sequence=0')).take(2)).toEqual(['session.started', 'input.message']);
});

it('R4: replays a long session in pages, then goes on live without a seam', async () => {
  await start({ replays: 1, ringEvents: 8 });
  for (let n = 0; n < 30; n++) await instance.commit(sessionId, ...Array.from({ length: 20 }, () => ({ type: 'tool.progress' as const })));
  const streams = await Promise.all(Array.from({ length: 4 }, () => connected('after_sequence=0')));
  const writing = (async () => {
    for (let n = 0; n < 100; n++) await instance.commit(sessionId, { type: 'file.written' });
  })();
  for (const opened of streams) {
    const sequences: number[] = [];
    for (let n = 0; n < 700; n++) sequences.push((JSON.parse((await opened.next())?.data ?? '') as { sequence: number }).sequence);
    expect(sequences).toEqual(Array.from({ length: 700 }, (_, n) => n + 1));
  }
  await writing;
});
