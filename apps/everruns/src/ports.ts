import { createServer } from 'node:net';
import { formatAddress, type Address } from './config.ts';
import { errorCode, StartError } from './errors.ts';

/** Throws a StartError when nobody could listen there now. */
export async function requireFree(address: Address, purpose: string): Promise<void> {
  const code = await tryListen(address);
  if (code === undefined) return;
  const place = `${formatAddress(address)} (${purpose})`;
  if (code === 'EADDRINUSE')
    throw new StartError(`${place} is in use by another program: stop that, or choose other ports, for example PORT_PREFIX=94 npm start.`);
  throw new StartError(`Everruns cannot listen on ${place}: ${code}.`);
}

/** Undefined after success, else the system's code. */
function tryListen({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error) => resolve(errorCode(error) ?? error.message));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}
