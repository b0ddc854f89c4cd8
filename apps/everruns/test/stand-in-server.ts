/** A control plane reduced to what supervision is about: it answers, keeps rows in the database it was given, and can be told to misbehave. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import pg from 'pg';

if (process.env.STAND_IN_SERVER === 'refuse') {
  console.log(JSON.stringify({ level: 60, msg: 'PostgreSQL 17 or newer is needed' }));
  process.exit(1);
}

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 2 });
pool.on('error', () => undefined);
const [host = '', port = ''] = (process.env.HTTP_ADDR ?? '').split(':');

const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    if (request.url === '/rows') {
      await pool.query('create table if not exists rows (n serial)');
      if (request.method === 'POST') await pool.query('insert into rows default values');
      const { rows } = await pool.query<{ count: string }>('select count(*) from rows');
      response.end(rows[0]?.count);
    } else if (request.url === '/environment') response.end(JSON.stringify(process.env));
    else response.end(String(process.pid));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
}
server.listen(Number(port), host);
await once(server, 'listening'); // whoever imports this counts on it
process.once('SIGTERM', () => {
  if (process.env.DEV_MODE === 'true') return; // the composition ends it
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
