import type { TableSchema } from '@millrace/contract/table.js';
import { convertTable } from '@millrace/conversion/convert-table.js';
import type { TargetServer } from '@millrace/conversion/rule.js';

/** PostgreSQL's types are the same in every version that Millrace writes to. */
export const POSTGRESQL: TargetServer = { engine: 'postgresql', version: 0 };

/** The table as PostgreSQL's DDL makes it, whatever engine it comes from. */
export function targetSchema(schema: TableSchema): TableSchema {
  return convertTable(schema, POSTGRESQL).schema;
}
