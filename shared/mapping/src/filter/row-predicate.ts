import type { RowFilter } from '@millrace/contract/load.js';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { quotedTable, showTable } from '../table-name.js';
import { type Comparison, ComparisonError, comparisonWith } from './comparison.js';

/** Whether a row belongs to the task. Comparisons with null are not true, as in SQL; there is no NOT that could turn them round. */
export type RowPredicate = (row: Row) => boolean;

export interface FilterContext {
  /** The rule-id that errors name. */
  readonly rule: string;
  readonly schema: TableSchema;
}

/**
 * Compiles a filter for one version of a table.
 * @throws MillraceError MAPPING_FILTER_INVALID where a column is missing, or a column and a value cannot be compared. The
 * predicate itself throws MAPPING_IMAGE_INCOMPLETE for a value that the log did not carry.
 */
export function evaluateFilter(filter: RowFilter, context: FilterContext): RowPredicate {
  switch (filter.kind) {
    case 'all': {
      const predicates = filter.of.map((one) => evaluateFilter(one, context));
      return (row) => predicates.every((predicate) => predicate(row));
    }
    case 'any': {
      const predicates = filter.of.map((one) => evaluateFilter(one, context));
      return (row) => predicates.some((predicate) => predicate(row));
    }
    case 'compare': {
      const read = columnReader(filter.column, context);
      const compare = comparison(filter.column, filter.value, context);
      const holds = OPERATORS[filter.operator];
      return (row) => {
        const value = read(row);
        return value !== null && holds(compare(value));
      };
    }
    case 'between':
    case 'notbetween': {
      const read = columnReader(filter.column, context);
      const low = comparison(filter.column, filter.start, context);
      const high = comparison(filter.column, filter.end, context);
      const inside = filter.kind === 'between';
      return (row) => {
        const value = read(row);
        return value !== null && (low(value) >= 0 && high(value) <= 0) === inside;
      };
    }
    case 'null':
    case 'notnull': {
      const read = columnReader(filter.column, context);
      const wanted = filter.kind === 'null';
      return (row) => (read(row) === null) === wanted;
    }
    default:
      return assertNever(filter);
  }
}

/** Columns that a filter looks at, each once. */
export function filterColumns(filter: RowFilter): readonly string[] {
  if (filter.kind === 'all' || filter.kind === 'any') return [...new Set(filter.of.flatMap(filterColumns))];
  return [filter.column];
}

const OPERATORS: Readonly<Record<'eq' | 'noteq' | 'ste' | 'gte', (order: number) => boolean>> = {
  eq: (order) => order === 0,
  noteq: (order) => order !== 0,
  ste: (order) => order <= 0,
  gte: (order) => order >= 0,
};

function columnReader(column: string, { rule, schema }: FilterContext): (row: Row) => Exclude<Value, symbol> {
  const index = columnIndex(column, { rule, schema });
  return (row) => {
    const value = row[index];
    if (value === undefined || value === UNCHANGED) {
      throw new MillraceError('MAPPING_IMAGE_INCOMPLETE', {
        rule,
        table: showTable(schema.id),
        column,
        quoted: quotedTable(schema.id),
      });
    }
    return value;
  };
}

function columnIndex(column: string, { rule, schema }: FilterContext): number {
  const index = schema.columns.findIndex((one) => one.name === column);
  const found = schema.columns[index];
  if (found === undefined) throw invalid({ rule, schema }, column, 'the table has no such column');
  if (found.generated !== null) throw invalid({ rule, schema }, column, 'it is a generated column, which the log does not carry');
  return index;
}

function comparison(column: string, operand: string, context: FilterContext): Comparison {
  const type = context.schema.columns[columnIndex(column, context)]?.type ?? { kind: 'other' };
  try {
    return comparisonWith(type, operand);
  } catch (error) {
    if (!(error instanceof ComparisonError)) throw error;
    throw invalid(context, column, error.message);
  }
}

function invalid({ rule, schema }: FilterContext, column: string, problem: string): MillraceError {
  return new MillraceError('MAPPING_FILTER_INVALID', { rule, table: showTable(schema.id), column, problem });
}
