import { Buffer } from 'node:buffer';
import type { ProduceAnswer, ProtocolRequest } from 'kafkajs/src/cluster/index.js';
import response from 'kafkajs/src/protocol/requests/produce/v7/response.js';

const PRODUCE = 0;
const VERSION = 7;
const ALL_IN_SYNC = -1;
const NO_TRANSACTION = -1;

/** Bytes of a request around the batch that it carries. */
export function produceOverhead(topic: string): number {
  return 2 + 2 + 4 + 4 + 2 + Buffer.byteLength(topic) + 4 + 4 + 4;
}

/**
 * A Produce request of one batch to one partition, acknowledged by all replicas in sync. `body` holds the batch behind
 * `produceOverhead` free bytes.
 */
export function produceRequest(
  { topic, partition, timeoutMs }: { readonly topic: string; readonly partition: number; readonly timeoutMs: number },
  body: Buffer,
): ProtocolRequest<ProduceAnswer> {
  const name = Buffer.from(topic);
  const rest = 14 + name.length;
  body.writeInt16BE(NO_TRANSACTION, 0);
  body.writeInt16BE(ALL_IN_SYNC, 2);
  body.writeInt32BE(timeoutMs, 4);
  body.writeInt32BE(1, 8);
  body.writeInt16BE(name.length, 12);
  body.set(name, 14);
  body.writeInt32BE(1, rest);
  body.writeInt32BE(partition, rest + 4);
  body.writeInt32BE(body.length - produceOverhead(topic), rest + 8);
  // What kafkajs asks of an encoder that it appends to its own.
  const encoded = { buf: body, buffer: body, size: () => body.length };
  return {
    request: {
      apiKey: PRODUCE,
      apiVersion: VERSION,
      apiName: 'Produce',
      expectResponse: () => true,
      encode: () => Promise.resolve(encoded),
    },
    response,
  };
}
