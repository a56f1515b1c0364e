import { displayTable } from '@millrace/codec/table-key.js';
import type { RowFilter } from '@millrace/contract/load.js';
import type { OrderColumn, TableReader } from '@millrace/contract/reader.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { compareRows, type Difference } from './compare-rows.js';

export interface TablePair {
  readonly source: TableSchema;
  /** The same table with its target-side names; columns in the same order. */
  readonly target: TableSchema;
  readonly filter: RowFilter | null;
  /** Not null: why the two cannot be compared value by value. */
  readonly incomparable: string | null;
}

export type TableVerdict =
  | { readonly kind: 'equal'; readonly table: TableSchema; readonly rows: number }
  | {
      readonly kind: 'different';
      readonly table: TableSchema;
      readonly rows: number;
      readonly differences: readonly Difference[];
      readonly differenceCount: number;
      readonly columns: readonly string[];
    }
  | { readonly kind: 'not compared'; readonly table: TableSchema; readonly code: string; readonly reason: string };

/** Differences shown of each table; all are counted. */
const SHOWN = 10;

/** Compares every selected row of source and target, one table at a time, in key order; a keyless table as a multiset. */
export async function* verifyTables(
  pairs: readonly TablePair[],
  readers: { readonly source: TableReader; readonly target: TableReader },
  signal: AbortSignal,
): AsyncGenerator<TableVerdict> {
  for (const pair of pairs) yield await verifyTable(pair, readers, signal);
}

async function verifyTable(
  pair: TablePair,
  readers: { readonly source: TableReader; readonly target: TableReader },
  signal: AbortSignal,
): Promise<TableVerdict> {
  const { source, target } = pair;
  if (pair.incomparable !== null)
    return { kind: 'not compared', table: source, code: 'VERIFY_TRANSFORMED', reason: pair.incomparable };
  const across = readers.source.engine !== readers.target.engine;
  const reason = across ? incomparableAcross(source) : null;
  if (reason !== null) return { kind: 'not compared', table: source, code: 'VERIFY_ENGINES', reason };
  const form = across ? 'common' : 'own';
  // A generated column's expression is of its engine's dialect: another engine's table has no such column.
  const compared = source.columns.flatMap(({ name, generated }, index) =>
    across && generated !== null ? [] : [{ name, targetName: target.columns[index]?.name ?? name }],
  );
  const columns = compared.map(({ name }) => name);
  const key = orderOf(source);
  const named = (names: readonly OrderColumn[]): OrderColumn[] =>
    names.map((column) => ({
      ...column,
      name: compared.find(({ name }) => name === column.name)?.targetName ?? column.name,
    }));
  try {
    const comparison = await compareRows(
      readers.source.rows({ table: source.id, columns, form, orderBy: key, filter: pair.filter }, signal),
      readers.target.rows(
        {
          table: target.id,
          columns: compared.map(({ targetName }) => targetName),
          form,
          orderBy: named(key),
          filter: null,
        },
        signal,
      ),
      { columns, key, keep: SHOWN },
    );
    return comparison.differenceCount === 0
      ? { kind: 'equal', table: source, rows: comparison.rows }
      : { kind: 'different', table: source, columns, ...comparison };
  } catch (error) {
    if (!(error instanceof MillraceError) || error.class === 'fatal') throw error;
    return { kind: 'not compared', table: source, code: error.code, reason: `${displayTable(source.id)}: ${error.message}` };
  }
}

/** Rows are matched in the order of texts, and two engines have no common text of a float that SQL could order by. */
function incomparableAcross({ columns, primaryKey }: TableSchema): string | null {
  const ordering = primaryKey.length > 0 ? columns.filter(({ name }) => primaryKey.includes(name)) : columns;
  const float = ordering.find(({ type }) => type.kind === 'float');
  if (float === undefined) return null;
  return primaryKey.length > 0
    ? `its key has the float column ${float.name}, which two engines do not order alike`
    : `it has no key, and its float column ${float.name} is not ordered alike by two engines`;
}

function orderOf({ primaryKey, columns }: TableSchema): OrderColumn[] {
  return primaryKey.map((name) => ({
    name,
    order: columns.find((column) => column.name === name)?.type.kind === 'integer' ? 'integer' : 'bytes',
  }));
}
