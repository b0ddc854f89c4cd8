import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

export interface OfficialServer {
  /** Where it speaks MCP. */
  url: string;
  stop(): Promise<void>;
}

/** The SDK's server of everything, as a process of its own over streamable HTTP. */
export async function startEverything(): Promise<OfficialServer> {
  const root = dirname(require.resolve('@modelcontextprotocol/server-everything/package.json'));
  const port = await freePort();
  return startProcess([join(root, 'dist/index.js'), 'streamableHttp'], port);
}

/** The SDK's example of a server with sessions. */
export async function startExample(): Promise<OfficialServer> {
  const examples = join(dirname(require.resolve('@modelcontextprotocol/sdk/server')), '../../esm/examples/server');
  return startProcess([join(examples, 'simpleStreamableHttp.js')], await freePort());
}

async function startProcess(args: string[], port: number): Promise<OfficialServer> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], PORT: String(port), MCP_PORT: String(port) },
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}/mcp`;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const deadline = performance.now() + 15_000;
  while (!(await answers(url))) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`${args[0]} did not start`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    stop: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { method: 'GET' }).then(
    (response) => response.body?.cancel().then(() => true) ?? true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const probe = createServer();
  const port = await new Promise<number>((resolve) => probe.listen(0, '127.0.0.1', () => resolve((probe.address() as AddressInfo).port)));
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
