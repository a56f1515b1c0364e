import { type Row, UNCHANGED } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import { formatMicros } from '../civil-time.js';
import type { Evaluator, Resolver, Scope } from '../expression/evaluate.js';
import { type Expression, ExpressionError, type SqlValue } from '../expression/syntax.js';
import { nearestWord } from '../nearest-word.js';
import type { RowOrigin } from '../row-change.js';
import { sqlValueOf } from './convert.js';

/** The row that an expression computes from. */
export interface RowScope extends Scope {
  readonly row: Row;
  /** The old row of an update or delete, as far as it is known; null for an insert. */
  readonly before: Row | null;
  /** Null: not known; expressions that read it are not evaluated. */
  readonly origin: RowOrigin | null;
}

/** What an expression depends on, found while its references are resolved. */
export interface References {
  /** Columns by index. */
  readonly columns: Set<number>;
  /** Columns whose old value is used. */
  readonly beforeColumns: Set<number>;
  /** Reads the operation, which is another at each change. */
  operation: boolean;
  /** Reads what only the change's origin tells: position, time, transaction. */
  origin: boolean;
}

type Change = RowOrigin & { readonly phase: 'changes' };

/**
 * DMS's headers for ongoing replication and for the full load ("Replicating source table headers using expressions"). A log that knows
 * only when a transaction committed has that time for both timestamps. A loaded row has the load's time, and empty texts.
 */
const HEADERS: Readonly<Record<string, (scope: RowScope) => SqlValue>> = {
  AR_H_OPERATION: ({ operation }) => operation.toUpperCase(),
  AR_H_STREAM_POSITION: ofChange(({ position }) => position),
  AR_H_TIMESTAMP: timestamp,
  AR_H_COMMIT_TIMESTAMP: timestamp,
  AR_H_TRANSACTION_ID: ofChange(({ transactionId }) => transactionId),
  AR_H_CHANGE_SEQ: ofChange(changeSequence),
};

function known({ origin }: RowScope): RowOrigin {
  invariant(origin !== null, 'an expression that reads the origin is evaluated only where it is known');
  return origin;
}

function timestamp(scope: RowScope): string {
  return formatMicros(known(scope).timeMicros);
}

function ofChange(read: (change: Change) => string): (scope: RowScope) => string {
  return (scope) => {
    const origin = known(scope);
    return origin.phase === 'load' ? '' : read(origin);
  };
}

/** Time to the hundredth of a second, then a number of 19 digits: as a text it grows along the stream, whatever the source's clock does. */
function changeSequence({ clockMicros, changeNumber }: Change): string {
  return formatMicros(clockMicros).replace(/\D/g, '').slice(0, 16) + changeNumber.toString().padStart(19, '0');
}

/** A resolver for one version of a table, that notes what the expression refers to. */
export function referenceResolver(schema: TableSchema, references: References): Resolver<RowScope> {
  const indexOf = (name: string): number => schema.columns.findIndex((column) => column.name === name);
  return (name, at) => {
    const index = indexOf(name);
    if (index >= 0) {
      references.columns.add(index);
      return columnReader(schema, { index, at, row: (scope) => scope.row });
    }
    const header = HEADERS[name];
    if (header !== undefined) {
      if (name === 'AR_H_OPERATION') references.operation = true;
      else references.origin = true;
      return header;
    }
    if (name === 'AR_M_SOURCE_SCHEMA') return () => schema.id.schema;
    if (name === 'AR_M_SOURCE_TABLE_NAME') return () => schema.id.table;
    const old = name.startsWith('BI_') ? indexOf(name.slice(3)) : -1;
    if (old >= 0) {
      references.beforeColumns.add(old);
      const read = columnReader(schema, { index: old, at, row: (scope) => scope.before ?? [] });
      return (scope) => (scope.before === null ? null : read(scope));
    }
    throw new ExpressionError(at, unknownReference(schema, name));
  };
}

function unknownReference(schema: TableSchema, name: string): string {
  if (name === 'AR_H_USER') return "the source's log does not say which user made a change ($AR_H_USER)";
  const words = [
    ...schema.columns.map((column) => column.name),
    ...Object.keys(HEADERS),
    'AR_M_SOURCE_SCHEMA',
    'AR_M_SOURCE_TABLE_NAME',
  ];
  const near = nearestWord(name, words);
  return `$${name} is neither a column of the table nor a header${near === undefined ? '' : `; did you mean $${near}`}`;
}

interface ColumnReference {
  readonly index: number;
  readonly at: number;
  readonly row: (scope: RowScope) => Row;
}

function columnReader(schema: TableSchema, { index, at, row }: ColumnReference): Evaluator<RowScope> {
  const column = schema.columns[index];
  invariant(column !== undefined, 'a reference points to a column');
  if (column.generated !== null)
    throw new ExpressionError(at, `$${column.name} is a generated column, which the source's log does not carry`);
  const { type } = column;
  return (scope) => {
    const value = row(scope)[index];
    invariant(value !== undefined && value !== UNCHANGED, 'an expression is evaluated only where its columns are known');
    return value === null ? null : sqlValueOf(value, type);
  };
}

const VOLATILE: readonly string[] = ['random', 'randomblob', 'operation_indicator'];
export const DATE_FUNCTIONS: readonly string[] = ['date', 'time', 'datetime', 'julianday', 'strftime'];

/** Functions in the expression whose result does not follow from the row's columns alone. */
export function volatileFunctions(expression: Expression): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (one: Expression): void => {
    if (one.kind === 'call' && (VOLATILE.includes(one.name) || (DATE_FUNCTIONS.includes(one.name) && readsClock(one))))
      names.add(one.name);
    for (const child of children(one)) visit(child);
  };
  visit(expression);
  return names;
}

/** A date function without a time value means 'now'. */
function readsClock(call: Extract<Expression, { kind: 'call' }>): boolean {
  const time = call.arguments[call.name === 'strftime' ? 1 : 0];
  return (
    time === undefined || (time.kind === 'literal' && typeof time.value === 'string' && time.value.trim().toLowerCase() === 'now')
  );
}

function children(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'reference':
      return [];
    case 'unary':
    case 'cast':
      return [expression.operand];
    case 'binary':
      return [expression.left, expression.right];
    case 'between':
      return [expression.operand, expression.low, expression.high];
    case 'in':
      return [expression.operand, ...expression.list];
    case 'like':
      return [expression.operand, expression.pattern, ...(expression.escape === null ? [] : [expression.escape])];
    case 'case':
      return [
        ...(expression.subject === null ? [] : [expression.subject]),
        ...expression.branches.flatMap(({ when, result }) => [when, result]),
        ...(expression.otherwise === null ? [] : [expression.otherwise]),
      ];
    case 'call':
      return expression.arguments;
  }
}
