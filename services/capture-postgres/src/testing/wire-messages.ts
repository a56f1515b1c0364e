import { Buffer } from 'node:buffer';

/** Builders of the server's messages, for tests: CopyData frames with XLogData or keepalives inside. */
export function frame(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from(type), int32(4 + body.length), body]);
}

export const int8 = (value: number): Buffer => Buffer.of(value & 0xff);

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);

export const xlogData = (...parts: readonly (Buffer | string)[]): Buffer =>
  frame('d', 'w', int64(0n), int64(0n), int64(0n), ...parts);

export const keepalive = (walEnd: bigint, reply = false): Buffer =>
  frame('d', 'k', int64(walEnd), int64(0n), int8(reply ? 1 : 0));

export const begin = (commitLsn: bigint, xid: number, micros = 0n): Buffer =>
  xlogData('B', int64(commitLsn), int64(micros), int32(xid));

export const commit = (commitLsn: bigint, endLsn: bigint): Buffer =>
  xlogData('C', int8(0), int64(commitLsn), int64(endLsn), int64(0n));

export interface WireColumn {
  readonly name: string;
  readonly key: boolean;
  readonly typeOid: number;
}

export function relation(oid: number, table: string, columns: readonly WireColumn[]): Buffer {
  const described = columns.map(({ name, key, typeOid }) =>
    Buffer.concat([int8(key ? 1 : 0), text(name), int32(typeOid), int32(-1)]),
  );
  return xlogData('R', int32(oid), text('public'), text(table), 'd', int16(columns.length), ...described);
}

/** A column's value in a tuple; undefined: unchanged. */
export type WireValue = string | null | undefined;

export function tuple(kind: 'N' | 'K' | 'O', values: readonly WireValue[]): Buffer {
  const columns = values.map((value) => {
    if (value === null) return Buffer.from('n');
    if (value === undefined) return Buffer.from('u');
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from('t'), int32(bytes.length), bytes]);
  });
  return Buffer.concat([Buffer.from(kind), int16(values.length), ...columns]);
}

export const insert = (oid: number, values: readonly WireValue[]): Buffer => xlogData('I', int32(oid), tuple('N', values));

export const update = (oid: number, old: Buffer | null, values: readonly WireValue[]): Buffer =>
  xlogData('U', int32(oid), ...(old === null ? [] : [old]), tuple('N', values));

export const remove = (oid: number, old: Buffer): Buffer => xlogData('D', int32(oid), old);
