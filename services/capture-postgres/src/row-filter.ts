import type { RowFilter } from '@millrace/contract/load.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteLiteral } from '@millrace/postgres/quote-identifier.js';

const OPERATORS = { eq: '=', noteq: '<>', ste: '<=', gte: '>=' } as const;

/**
 * A row filter as an SQL condition. Values are untyped literals, so PostgreSQL reads them as the column's type; texts compare by
 * their bytes, as the pipe compares them, and not by a collation.
 * @throws MillraceError SOURCE_FILTER_COLUMN where the table has no such column.
 */
export function filterCondition(filter: RowFilter, schema: TableSchema): string {
  switch (filter.kind) {
    case 'all':
      return joined(filter.of, schema, ' AND ', 'true');
    case 'any':
      return joined(filter.of, schema, ' OR ', 'false');
    case 'compare':
      return `${columnOf(filter.column, schema)} ${OPERATORS[filter.operator]} ${quoteLiteral(filter.value)}`;
    case 'between':
    case 'notbetween': {
      const not = filter.kind === 'between' ? '' : 'NOT ';
      return `${columnOf(filter.column, schema)} ${not}BETWEEN ${quoteLiteral(filter.start)} AND ${quoteLiteral(filter.end)}`;
    }
    case 'null':
      return `${columnOf(filter.column, schema)} IS NULL`;
    case 'notnull':
      return `${columnOf(filter.column, schema)} IS NOT NULL`;
    default:
      return assertNever(filter);
  }
}

function joined(filters: readonly RowFilter[], schema: TableSchema, word: string, empty: string): string {
  return filters.length === 0 ? empty : `(${filters.map((each) => filterCondition(each, schema)).join(word)})`;
}

function columnOf(name: string, schema: TableSchema): string {
  const column = schema.columns.find((each) => each.name === name);
  if (column === undefined) {
    throw new MillraceError('SOURCE_FILTER_COLUMN', { table: `${schema.id.schema}.${schema.id.table}`, column: name });
  }
  return column.type.kind === 'text' ? `${quoteIdentifier(name)} COLLATE "C"` : quoteIdentifier(name);
}
