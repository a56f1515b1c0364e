import { Buffer } from 'node:buffer';
import type { Position } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { z } from 'zod';

/** A place in the binary log, with what tells whether a log that is found later is still the same one. */
export interface LogPosition {
  /** How many times the capture went over to another server: its files are numbered anew. */
  readonly failovers: number;
  /** Number of the log file: 42 of `bin.000042`. */
  readonly file: number;
  /** End of the last transaction at or before this place, in bytes of the file. Beyond 2^32 in files that one transaction made large. */
  readonly offset: number;
  readonly rest: PositionRest;
}

export interface PositionRest {
  /** `bin` of `bin.000042`. */
  readonly base: string;
  /** Identity of the server whose file it is. */
  readonly server: string;
  /** What was executed up to here: MySQL's GTID set, MariaDB's last GTID of each domain; empty where the server has none. */
  readonly gtids: string;
  /** XA transactions that are prepared here and hold nothing of the selection: their commit brings nothing. */
  readonly prepared?: readonly string[] | undefined;
}

const restShape = z.strictObject({
  base: z.string(),
  server: z.string(),
  gtids: z.string(),
  prepared: z.array(z.string()).optional(),
});

const PLACE_BYTES = 20;

/** The place alone: orders before every full position of the same place, so it serves for comparing, not for resuming. */
export function placeKey(failovers: number, file: number, offset: number): string {
  const bytes = Buffer.allocUnsafe(PLACE_BYTES);
  bytes.writeUInt32BE(failovers, 0);
  bytes.writeBigUInt64BE(BigInt(file), 4);
  bytes.writeBigUInt64BE(BigInt(offset), 12);
  return bytes.toString('hex');
}

export function positionKey({ failovers, file, offset, rest }: LogPosition): string {
  return placeKey(failovers, file, offset) + Buffer.from(JSON.stringify(rest), 'utf8').toString('hex');
}

/** @throws MillraceError SOURCE_CHANGED where the position is none of this connector's. */
export function parsePosition(position: Position): LogPosition {
  const bytes = Buffer.from(position.key, 'hex');
  try {
    return {
      failovers: bytes.readUInt32BE(0),
      file: Number(bytes.readBigUInt64BE(4)),
      offset: Number(bytes.readBigUInt64BE(12)),
      rest: restShape.parse(JSON.parse(bytes.toString('utf8', PLACE_BYTES))),
    };
  } catch (cause) {
    throw new MillraceError(
      'SOURCE_CHANGED',
      { found: 'a MySQL or MariaDB server', expected: `a source with positions like ${position.key.slice(0, 40)}` },
      { cause },
    );
  }
}

/** `bin.000042:1234`; the base is missing where the position holds the place alone. */
export function formatPlace({ key }: Position): string {
  const bytes = Buffer.from(key, 'hex');
  if (bytes.length < PLACE_BYTES) return key;
  const place = `${String(bytes.readBigUInt64BE(4)).padStart(6, '0')}:${bytes.readBigUInt64BE(12)}`;
  if (bytes.length === PLACE_BYTES) return place;
  try {
    return `${restShape.parse(JSON.parse(bytes.toString('utf8', PLACE_BYTES))).base}.${place}`;
  } catch {
    return place;
  }
}

/** `bin.000042` → base and number; the server numbers its files with at least six digits. */
export function parseFileName(name: string): { readonly base: string; readonly file: number } {
  const dot = name.lastIndexOf('.');
  const digits = name.slice(dot + 1);
  if (dot <= 0 || !/^\d{6,15}$/.test(digits))
    throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: `a log file named "${name}"` });
  return { base: name.slice(0, dot), file: Number(digits) };
}

export function fileName(base: string, file: number): string {
  return `${base}.${String(file).padStart(6, '0')}`;
}
