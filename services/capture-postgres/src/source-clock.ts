import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';

/**
 * The server's clock, microseconds since 1970. Read before a logical slot is made, it lies before every commit that the slot will
 * stream: the consistent point waits until all transactions that were open then have ended.
 */
export async function sourceClock(client: Client): Promise<bigint> {
  // A float before PostgreSQL 14, with 53 bits: exact to the microsecond until the year 2255.
  const { rows } = await client.query<{ readonly micros: string }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS micros',
  );
  const [row] = rows;
  if (row === undefined) throw new MillraceError('SOURCE_PROTOCOL', { what: 'no answer to clock_timestamp()' });
  return BigInt(row.micros);
}
