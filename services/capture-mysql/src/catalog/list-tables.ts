import type { SourceTable } from '@millrace/contract/capture.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';

/** Databases of the server's own. */
export const SYSTEM_DATABASES = ['mysql', 'information_schema', 'performance_schema', 'sys'] as const;

const tableRow = z.object({ schema: z.string(), name: z.string(), type: z.string() });

/** Everything in the server that a selection could name. A partitioned table is one table here: its partitions are no names of their own. */
export async function listTables(session: Connection): Promise<readonly SourceTable[]> {
  const rows = await queryRows(
    session,
    'SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS name, TABLE_TYPE AS type FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN (?)',
    [SYSTEM_DATABASES],
    tableRow,
  );
  return rows.map(({ schema, name, type }) => ({ id: { schema, table: name }, kind: kindOf(type), root: null }));
}

function kindOf(type: string): SourceTable['kind'] {
  switch (type) {
    case 'BASE TABLE':
      return 'table';
    case 'VIEW':
      return 'view';
    case 'TEMPORARY':
    case 'TEMPORARY TABLE':
      return 'temporary';
    case 'SYSTEM VIEW':
      return 'system';
    default:
      // MariaDB's sequences and system-versioned tables: what their log holds is not what a SELECT of them shows.
      return 'foreign';
  }
}
