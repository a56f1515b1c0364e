import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import type { PresentTable } from './present-table.js';
import { typeMismatch } from './type-compatibility.js';

export interface Incompatibility {
  readonly column: string;
  /** A clause for a message: `it is missing`. */
  readonly reason: string;
  /** What to do, as the statement's tail after ALTER TABLE where there is one. */
  readonly remedy: string;
}

/** Every column for which a table that is there cannot hold the rows of the version; empty where it can. */
export function incompatibilities(schema: TableSchema, present: PresentTable): readonly Incompatibility[] {
  const targets = new Map(present.columns.map((column) => [column.name, column]));
  const found: Incompatibility[] = [];
  for (const column of schema.columns) {
    const target = targets.get(column.name);
    if (target === undefined) {
      found.push({ column: column.name, reason: 'it is missing', remedy: `add it as ${column.native.declaration}` });
    } else if (target.generated !== (column.generated !== null)) {
      found.push({ column: column.name, ...generatedMismatch(column) });
    } else {
      const mismatch = typeMismatch(column, target);
      if (mismatch !== null)
        found.push({ column: column.name, reason: mismatch, remedy: `change its type to ${column.native.declaration}` });
      // The key's own columns become NOT NULL in the target with their key.
      else if (column.nullable && target.notNull && !schema.primaryKey.includes(column.name)) {
        found.push({
          column: column.name,
          reason: 'it is NOT NULL and the source has nulls to bring',
          remedy: 'drop its NOT NULL',
        });
      }
    }
  }
  const carried = new Set(schema.columns.map(({ name }) => name));
  for (const { name, notNull, hasDefault, identity } of present.columns) {
    if (!carried.has(name) && notNull && !hasDefault && identity === '') {
      found.push({
        column: name,
        reason: 'the source does not have it, and it is NOT NULL without a default',
        remedy: 'give it a default, or drop its NOT NULL',
      });
    }
  }
  return found;
}

function generatedMismatch({ generated }: ColumnSchema): Omit<Incompatibility, 'column'> {
  if (generated === null)
    return { reason: 'it is computed by the target, and the source has values for it', remedy: 'drop its expression' };
  return {
    reason: 'the source computes it and does not send its values',
    remedy: `make it GENERATED ALWAYS AS (${generated}) STORED`,
  };
}
