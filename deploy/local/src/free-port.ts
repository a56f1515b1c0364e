import { createServer } from 'node:net';
import { MillraceError } from '@millrace/errors/millrace-error.js';

const LOOPBACK = '127.0.0.1';

/** A TCP port that nothing listens on at this moment on 127.0.0.1. */
export function freePort(): Promise<number> {
  return listenOnce(0);
}

/** `wanted` if nothing listens on it, else any free port. */
export async function preferPort(wanted: number): Promise<number> {
  try {
    return await listenOnce(wanted);
  } catch {
    return await freePort();
  }
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(port, LOOPBACK, () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === 'string')
          reject(new MillraceError('INTERNAL', { what: 'a TCP port without a number' }));
        else resolve(address.port);
      });
    });
  });
}
