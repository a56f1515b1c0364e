import type { Connection, RowDataPacket } from 'mysql2/promise';
import { z } from 'zod';

/** Which of the two engines a server is, and how old. */
export interface Server {
  readonly engine: 'mysql' | 'mariadb';
  /** `10_011_019` for 10.11.19: comparable as a number. */
  readonly version: number;
  /** As the server prints it. */
  readonly text: string;
}

const versionRow = z.object({ version: z.string() });

/** Asks the server who it is. */
export async function identifyServer(connection: Connection): Promise<Server> {
  const [row] = await queryRows(connection, 'SELECT VERSION() AS version', [], versionRow);
  return parseServerVersion(row?.version ?? '');
}

/** `10.11.19-MariaDB-0+deb12u1-log`, `8.0.15`, `8.0.mysql_aurora.3.04.0`. */
export function parseServerVersion(text: string): Server {
  const [major = 0, minor = 0, patch = 0] = (/(\d+)\.(\d+)(?:\.(\d+))?/.exec(text.replace(/^5\.5\.5-/, '')) ?? [])
    .slice(1)
    .map((part: string | undefined) => Number(part ?? 0));
  return { engine: /mariadb/i.test(text) ? 'mariadb' : 'mysql', version: (major * 1_000 + minor) * 1_000 + patch, text };
}

/** Rows of a query, checked: what the driver hands out is whatever the server sent. */
export async function queryRows<T>(
  connection: Connection,
  sql: string,
  values: readonly (string | number | bigint | null | readonly string[])[],
  row: z.ZodType<T>,
): Promise<readonly T[]> {
  const [rows] = await connection.query<RowDataPacket[]>(sql, [...values]);
  return z.array(row).parse(rows);
}
