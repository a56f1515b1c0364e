import { type Row, UNCHANGED } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { avroNameOf } from '../avro-name.js';
import { wireTypeOf } from '../wire-type.js';

/** A row as avsc writes it by the row schema. */
export function avroRowOf(version: TableVersion, row: Row): Readonly<Record<string, unknown>> {
  const fields = version.schema.columns.map((column, index) => {
    const value = row[index];
    if (value === null) return [avroNameOf(column.name), null];
    if (value === UNCHANGED) return [avroNameOf(column.name), { 'millrace.Unchanged': {} }];
    return [avroNameOf(column.name), { [wireTypeOf(column.type)]: value instanceof Uint8Array ? Buffer.from(value) : value }];
  });
  return Object.fromEntries(fields);
}
