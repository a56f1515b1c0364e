import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type KafkaServer, scratchFolder, startKafka } from '@millrace/testkit/servers.js';
import { TcpProxy } from '@millrace/testkit/tcp-proxy.js';
import type { KafkaSettings } from '../kafka/kafka-settings.js';
import { plainKafka } from './journal-fixture.js';

export interface ProxiedKafka extends AsyncDisposable {
  readonly server: KafkaServer;
  readonly proxy: TcpProxy;
  /** All traffic goes by way of the proxy: it is the address that the broker gives of itself. */
  readonly kafka: KafkaSettings;
  /** Bytes that the broker has written of the first partition of a new topic. */
  readonly written: (topic: string) => Promise<number>;
}

export async function startProxiedKafka(): Promise<ProxiedKafka> {
  const port = await freePort();
  const proxy = await TcpProxy.open({ host: '127.0.0.1', port });
  const dir = await scratchFolder();
  const server = await startKafka({
    dir,
    port,
    settings: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` },
  });
  return {
    server,
    proxy,
    kafka: plainKafka(`127.0.0.1:${proxy.port}`),
    written: async (topic) => (await stat(join(dir, 'data', `${topic}-0`, `${'0'.repeat(20)}.log`))).size,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
