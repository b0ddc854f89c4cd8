import { parentPort, workerData } from 'node:worker_threads';
import { executeTool, type ToolRequest } from '@everruns/agent/tools/execute-tool';
import { loadCapabilities } from '@everruns/capabilities/load';
import { takeOffer, type FromThread, type ThreadData, type ToThread } from './thread-protocol.ts';

/** A tool thread: runs one call after the other for the worker's main thread, which may end it at any time. */

const port = parentPort;
if (port === null) throw new Error('tool threads are started by a worker');
const { capabilityModules, offer } = workerData as ThreadData;
const registry = await loadCapabilities(capabilityModules);
const running = new Map<number, AbortController>();
const say = (message: FromThread) => port.postMessage(message);

port.on('message', (message: ToThread) => {
  if (message.type === 'abort') running.get(message.id)?.abort(new Error('the call was stopped'));
  else if (takeOffer(offer, message.id)) void run(message.id, message.request);
});
say({ type: 'ready' });

async function run(id: number, request: ToolRequest): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  const execution = await executeTool(registry, request, {
    signal: abort.signal,
    now: () => new Date(),
    progress: (message) => say({ type: 'progress', id, message: String(message) }),
  });
  running.delete(id);
  say({ type: 'result', id, execution });
}
