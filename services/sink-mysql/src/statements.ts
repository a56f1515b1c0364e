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

const warningRow = z.object({ Level: z.string(), Code: z.int(), Message: z.string() });

/** The first of the last statement's warnings, in the server's words. */
export async function firstWarning(connection: Connection): Promise<string> {
  const [rows] = await connection.query('SHOW WARNINGS LIMIT 1');
  const [first] = z.array(warningRow).parse(rows);
  return first === undefined ? 'it gave a warning' : `${first.Message} (${first.Level} ${first.Code})`;
}
