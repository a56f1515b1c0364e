import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { convertTable } from '@millrace/conversion/convert-table.js';
import type { TargetServer } from '@millrace/conversion/rule.js';
import { findingOf } from './finding.js';

/** What somebody should know of a table that comes from another engine, before its first row moves. */
export function conversionFindings(schema: TableSchema, target: TargetServer): readonly Finding[] {
  const table = displayTable(schema.id);
  return convertTable(schema, target).notes.map(({ column, kind, text }) =>
    findingOf(kind === 'generated' ? 'warning' : 'info', 'TARGET_COLUMN_CONVERTED', `${table}.${column}`, {
      table,
      column,
      text,
    }),
  );
}
