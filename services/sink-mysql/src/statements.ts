import { Buffer } from 'node:buffer';
import { displayTable } from '@millrace/codec/table-key.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Connection, QueryOptions } from 'mysql2/promise';
import { z } from 'zod';

/** What a statement that writes says of itself. */
export interface Written {
  /** Rows that were inserted or deleted, or met by an update whether it changed them or not (CLIENT_FOUND_ROWS, which the driver asks for). */
  readonly rows: number;
  /** Notes included: a decimal that was rounded is one. */
  readonly warnings: number;
}

/** A value as the driver writes it into a statement's text. */
export type Bound = string | number | bigint | null;

const header = z
  .object({ affectedRows: z.int(), warningStatus: z.int() })
  .transform(({ affectedRows, warningStatus }): Written => ({ rows: affectedRows, warnings: warningStatus }));

/** Runs one statement that returns no rows. */
export async function write(connection: Connection, sql: string | QueryOptions, values: readonly Bound[] = []): Promise<Written> {
  // Without values the driver leaves a ? of a text alone.
  const [result] = await (typeof sql !== 'string'
    ? connection.query(sql)
    : values.length === 0
      ? connection.query(sql)
      : connection.query(sql, [...values]));
  return header.parse(result);
}

/**
 * Runs statements that return no rows, in one packet and one answer. The first that fails ends them, and its error is thrown. For
 * sessions with several statements a packet.
 */
export async function writeAll(connection: Connection, statements: readonly string[]): Promise<readonly Written[]> {
  const [only] = statements;
  if (only === undefined) return [];
  if (statements.length === 1) return [await write(connection, only)];
  const [result] = await connection.query(statements.join(';'));
  return z.array(header).length(statements.length).parse(result);
}

/** Of a packet, around the statement in it. */
const PACKET_HEAD_BYTES = 64;
/** A UTF-16 unit is at most three bytes of UTF-8. */
const BYTES_PER_UNIT = 3;

/**
 * For statements that hold a row, which may be of any length: a server that is sent more than it takes ends the session without a word, and
 * could not keep the row as a dead letter either.
 * @throws MillraceError TARGET_ROW_BEYOND_PACKET
 */
export function refuseTooLong(sql: string, maxPacketBytes: number, table: TableId): void {
  const limit = maxPacketBytes - PACKET_HEAD_BYTES;
  if (sql.length * BYTES_PER_UNIT <= limit) return;
  const bytes = Buffer.byteLength(sql);
  if (bytes > limit)
    throw new MillraceError('TARGET_ROW_BEYOND_PACKET', { table: displayTable(table), bytes, limit: maxPacketBytes });
}

const warningRow = z.object({ Level: z.string(), Code: z.int(), Message: z.string() });

/** The first of the last statement's warnings, in the server's words. */
export async function firstWarning(connection: Connection): Promise<string> {
  const [rows] = await connection.query('SHOW WARNINGS LIMIT 1');
  const [first] = z.array(warningRow).parse(rows);
  return first === undefined ? 'it gave a warning' : `${first.Message} (${first.Level} ${first.Code})`;
}
