import { MillraceError } from '@millrace/errors/millrace-error.js';
import type pg from 'pg';
import type { ServerAbilities } from './edge-values.js';

/** Asks a server which part of the corpus it can hold. */
export async function serverAbilities(client: pg.Client): Promise<ServerAbilities> {
  const { rows } = await client.query<{ version: number; extensions: string[] }>(
    "SELECT current_setting('server_version_num')::int / 10000 AS version, (SELECT coalesce(array_agg(name::text), '{}') FROM pg_available_extensions) AS extensions",
  );
  const [row] = rows;
  if (row === undefined) throw new MillraceError('INTERNAL', { what: 'the server did not tell its version' });
  return { version: row.version, extensions: new Set(row.extensions) };
}
