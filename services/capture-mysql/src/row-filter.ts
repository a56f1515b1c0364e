import { displayTable } from '@millrace/codec/table-key.js';
import type { RowFilter } from '@millrace/contract/load.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteLiteral } from '@millrace/mysql/quote-identifier.js';

const OPERATORS = { eq: '=', noteq: '<>', ste: '<=', gte: '>=' } as const;

/**
 * A row filter as an SQL condition. Texts compare by their bytes in UTF-8, as the pipe compares them, and not by a collation.
 * @throws MillraceError SOURCE_FILTER_COLUMN where the table has no such column.
 */
export function filterCondition(filter: RowFilter, schema: TableSchema): string {
  switch (filter.kind) {
    case 'all':
      return joined(filter.of, schema, ' AND ', 'TRUE');
    case 'any':
      return joined(filter.of, schema, ' OR ', 'FALSE');
    case 'compare':
      return `${columnOf(filter.column, schema)} ${OPERATORS[filter.operator]} ${literal(filter.column, filter.value, schema)}`;
    case 'between':
    case 'notbetween': {
      const not = filter.kind === 'between' ? '' : 'NOT ';
      const bounds = `${literal(filter.column, filter.start, schema)} AND ${literal(filter.column, filter.end, schema)}`;
      return `${columnOf(filter.column, schema)} ${not}BETWEEN ${bounds}`;
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
  const quoted = quoteIdentifier(name);
  return kindOf(name, schema) === 'text' ? `CAST(CONVERT(${quoted} USING utf8mb4) AS BINARY)` : quoted;
}

/** A quoted number would be compared as a double, which has not every integer. */
function literal(name: string, value: string, schema: TableSchema): string {
  const kind = kindOf(name, schema);
  if (kind === 'text') return `CAST(${quoteLiteral(value)} AS BINARY)`;
  const isNumber = (kind === 'integer' || kind === 'decimal') && /^-?\d{1,65}(\.\d{1,30})?$/.test(value);
  return isNumber ? value : quoteLiteral(value);
}

function kindOf(name: string, schema: TableSchema): string {
  const column = schema.columns.find((each) => each.name === name);
  if (column === undefined) throw new MillraceError('SOURCE_FILTER_COLUMN', { table: displayTable(schema.id), column: name });
  return column.type.kind;
}
