import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { convertTable } from '@millrace/conversion/convert-table.js';
import type { TargetServer } from '@millrace/conversion/rule.js';
import { findingOf } from './finding.js';

/** PostgreSQL's types are the same in every version that Millrace writes to. */
const POSTGRESQL: TargetServer = { engine: 'postgresql', version: 0 };

/** The table as PostgreSQL's DDL makes it, whatever engine it comes from. */
export function targetSchema(schema: TableSchema): TableSchema {
  return convertTable(schema, POSTGRESQL).schema;
}

/** What somebody should know of a table that comes from another engine. */
export function conversionFindings(schema: TableSchema): readonly Finding[] {
  const table = displayTable(schema.id);
  return convertTable(schema, POSTGRESQL).notes.map(({ column, kind, text }) =>
    findingOf(kind === 'generated' ? 'warning' : 'info', 'TARGET_COLUMN_CONVERTED', `${table}.${column}`, {
      table,
      column,
      text,
    }),
  );
}
