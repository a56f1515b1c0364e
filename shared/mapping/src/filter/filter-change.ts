import type { RowFilter } from '@millrace/contract/load.js';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import type { RowChange } from '../row-change.js';
import { quotedTable, showTable } from '../table-name.js';
import { evaluateFilter, type FilterContext, filterColumns, type RowPredicate } from './row-predicate.js';

/** Null: the change does not concern the task. */
export type ChangeFilter = (change: RowChange) => RowChange | null;

/**
 * A filter over changes. The target holds exactly the rows that match, at every moment: an update that moves a row into the
 * filter becomes an insert, one that moves it out a delete, one that stays outside nothing.
 *
 * What the log leaves out is filled from the other image: an old value that is absent is the new one where the column belongs to
 * the replica identity (the log omits the old key when it did not change), and a new value marked unchanged is the old one.
 * @throws MillraceError MAPPING_FILTER_INVALID; the filter itself MAPPING_IMAGE_INCOMPLETE.
 */
export function changeFilter(filter: RowFilter, context: FilterContext): ChangeFilter {
  const matches = evaluateFilter(filter, context);
  return (change) => filterChange(matches, change, context);
}

/** Columns of the filter whose old values the log does not carry: the table needs REPLICA IDENTITY FULL. */
export function columnsBeyondIdentity(filter: RowFilter, schema: TableSchema): readonly string[] {
  if (schema.replicaIdentity === 'full') return [];
  return filterColumns(filter).filter((column) => !schema.identityColumns.includes(column));
}

function filterChange(matches: RowPredicate, change: RowChange, context: FilterContext): RowChange | null {
  switch (change.kind) {
    case 'insert':
      invariant(change.after !== null, 'an insert has a new image');
      return matches(change.after) ? change : null;
    case 'delete':
      invariant(change.before !== null, 'a delete has an old image');
      return matches(change.before) ? change : null;
    case 'update':
      invariant(change.after !== null, 'an update has a new image');
      return filterUpdate(matches, { before: change.before, after: change.after }, context);
  }
}

interface Images {
  readonly before: Row | null;
  readonly after: Row;
}

function filterUpdate(matches: RowPredicate, images: Images, context: FilterContext): RowChange | null {
  const before = completeBefore(images, context.schema);
  const after = completeAfter(images);
  const matched = matches(before);
  if (matches(after)) {
    if (matched) return { kind: 'update', before: images.before, after: images.after };
    return { kind: 'insert', before: null, after: wholeRow(after, context) };
  }
  return matched ? { kind: 'delete', before, after: null } : null;
}

/** The old image with what the log left out because it did not change. */
function completeBefore({ before, after }: Images, schema: TableSchema): Row {
  return schema.columns.map((column, index): Value => {
    if (before !== null) return before[index] ?? null;
    return schema.identityColumns.includes(column.name) ? (after[index] ?? null) : UNCHANGED;
  });
}

function completeAfter({ before, after }: Images): Row {
  return after.map((value, index) => (value === UNCHANGED ? (before?.[index] ?? UNCHANGED) : value));
}

/** An insert must bring every value; generated columns are computed by the target. */
function wholeRow(row: Row, { rule, schema }: FilterContext): Row {
  const missing = schema.columns.find((column, index) => row[index] === UNCHANGED && column.generated === null);
  if (missing === undefined) return row;
  throw new MillraceError('MAPPING_IMAGE_INCOMPLETE', {
    rule,
    table: showTable(schema.id),
    column: missing.name,
    quoted: quotedTable(schema.id),
  });
}
