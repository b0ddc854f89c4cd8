import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Api } from './api.ts';
import { captureStream } from './stream-capture.ts';

type Answer = (response: ServerResponse) => void;

let server: Server;
let asked: string[];
let answers: Answer[];
let base: string;

beforeEach(async () => {
  asked = [];
  answers = [];
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    (answers.shift() ?? ((late) => late.writeHead(200).flushHeaders()))(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const frame = (id: string, type: string, more: Record<string, unknown> = {}) =>
  `event: ${type}\nid: ${id}\nretry: 100\ndata: ${JSON.stringify({ id, type, context: {}, data: {}, ...more })}\n\n`;

const streams =
  (text: string): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let at = 0; at < text.length; at += 7) response.write(text.slice(at, at + 7));
    setTimeout(() => response.destroy(), 30);
  };

describe('captureStream', () => {
  it('resumes by the id of whatever came last, and notes that it had to', async () => {
    answers = [
      streams(`event: connected\ndata: {"status":"connected"}\n\n: heartbeat\n\n${frame('event_1', 'session.started', { sequence: 1 })}`),
      (response) => response.writeHead(503).end(),
      streams(frame('event_x', 'output.message.delta')),
      streams(frame('event_2', 'session.idled', { sequence: 2 })),
    ];
    const capture = captureStream({ url: () => base }, 'session_1');
    expect(await capture.first((event) => event.type === 'session.idled', 5_000)).toMatchObject({ id: 'event_2', sequence: 2 });
    await capture.close();
    expect(asked.slice(0, 4)).toEqual(
      ['after_sequence=0', 'since_id=event_1', 'since_id=event_1', 'since_id=event_x'].map(
        (cursor) => `GET /api/v1/sessions/session_1/sse?${cursor}`,
      ),
    );
    expect(capture.seen.map((entry) => (entry.kind === 'event' ? entry.type : entry.kind)).slice(0, 6)).toEqual([
      'session.started',
      'reconnected',
      'reconnected',
      'output.message.delta',
      'reconnected',
      'session.idled',
    ]);
  });

  it('gives up waiting for what does not come', async () => {
    const capture = captureStream({ url: () => base }, 'session_1');
    expect(await capture.first(() => true, 20)).toBeNull();
    await capture.close();
  });
});

describe('Api', () => {
  it('repeats what broke on the way or failed with a 5xx, and nothing else', async () => {
    answers = [
      (response) => response.destroy(),
      (response) => response.writeHead(503).end(),
      (response) => response.writeHead(409, { 'content-type': 'application/json' }).end('{"code":"conflict"}'),
    ];
    expect(await new Api(() => base).send('POST', '/v1/sessions', {})).toEqual({ status: 409, body: { code: 'conflict' } });
    expect(asked).toEqual(Array(3).fill('POST /api/v1/sessions'));
  });

  it('makes an error of what must succeed and does not', async () => {
    answers = [(response) => response.writeHead(404).end('{"code":"not_found"}')];
    await expect(new Api(() => base).must('GET', '/v1/sessions/x')).rejects.toThrow(
      'GET /v1/sessions/x answered 404: {"code":"not_found"}',
    );
  });
});
