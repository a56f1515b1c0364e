import type { RowFilter } from '@millrace/contract/load.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteLiteral } from './quote-identifier.js';

const OPERATORS = { eq: '=', noteq: '<>', ste: '<=', gte: '>=' } as const;

/** A table mapping's condition as SQL over the rows of `alias`. Texts compare by their bytes, as they do in the pipe. */
export function filterSql(filter: RowFilter, alias: string): string {
  const column = (name: string): string => `${alias}.${quoteIdentifier(name)}`;
  switch (filter.kind) {
    case 'all':
      return filter.of.length === 0 ? 'TRUE' : `(${filter.of.map((each) => filterSql(each, alias)).join(' AND ')})`;
    case 'any':
      return filter.of.length === 0 ? 'FALSE' : `(${filter.of.map((each) => filterSql(each, alias)).join(' OR ')})`;
    case 'compare':
      return `${column(filter.column)} ${OPERATORS[filter.operator]} ${literal(filter.value)}`;
    case 'between':
      return `${column(filter.column)} BETWEEN ${literal(filter.start)} AND ${literal(filter.end)}`;
    case 'notbetween':
      return `${column(filter.column)} NOT BETWEEN ${literal(filter.start)} AND ${literal(filter.end)}`;
    case 'null':
      return `${column(filter.column)} IS NULL`;
    case 'notnull':
      return `${column(filter.column)} IS NOT NULL`;
    default:
      return assertNever(filter);
  }
}

/** An explicit collation wins over the column's, and leaves comparisons with numbers and dates as they are. */
function literal(value: string): string {
  return `${quoteLiteral(value)} COLLATE utf8mb4_bin`;
}
