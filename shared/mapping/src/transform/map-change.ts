import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { EvaluationError } from '../expression/scalar-functions.js';
import type { RowChange, RowOrigin } from '../row-change.js';
import { quotedTable, showTable } from '../table-name.js';
import { type ColumnPlan, type ComputedColumn, reporting, type SourceColumn } from './column-plan.js';
import { convertResult } from './convert.js';
import type { RowScope } from './references.js';
import type { TablePlan } from './table-plan.js';

/** Maps a loaded row: to expressions it is an insert. */
export function mapRow(plan: TablePlan, row: Row, origin: RowOrigin | null): Row {
  if (plan.kind !== 'rows') return row;
  return newImage(plan, row, { ...scopeAt('insert', origin), row, before: null });
}

/**
 * Maps a change. A value that no rule touches stays as it is, unchanged ones too. With `operation_indicator` a delete becomes an
 * update that flags the row; an insert that meets a flagged row is the sink's to overwrite (MapperSupport).
 * @throws MillraceError MAPPING_IMAGE_INCOMPLETE, MAPPING_VALUE_NOT_CONVERTIBLE, MAPPING_EXPRESSION_FAILED, MAPPING_ORIGIN_UNKNOWN
 */
export function mapChange(plan: TablePlan, change: RowChange, origin: RowOrigin | null): RowChange {
  if (plan.kind !== 'rows') return change;
  const indicated = plan.columns.some((one) => one.kind === 'computed' && one.indicator);
  const before = change.before === null ? null : oldImage(plan, change.before, origin);
  if (change.kind === 'delete') {
    invariant(change.before !== null, 'a delete has an old image');
    if (!indicated) return { kind: 'delete', before, after: null };
    const scope: RowScope = { ...scopeAt('delete', origin), row: change.before, before: change.before };
    return { kind: 'update', before, after: flaggedImage(plan, scope) };
  }
  invariant(change.after !== null, 'an insert or update has a new image');
  const after = newImage(plan, change.after, scopeOf(plan.source, { ...change, kind: change.kind, after: change.after }, origin));
  return { kind: change.kind, before, after };
}

function scopeAt(
  operation: RowScope['operation'],
  origin: RowOrigin | null,
): Pick<RowScope, 'operation' | 'origin' | 'nowMicros'> {
  return { operation, origin, nowMicros: origin?.timeMicros ?? null };
}

interface WithAfter extends RowChange {
  readonly kind: 'insert' | 'update';
  readonly after: Row;
}

/** Fills each image with what the other one tells, as far as it goes. */
function scopeOf(source: TableSchema, { kind, before, after }: WithAfter, origin: RowOrigin | null): RowScope {
  const base = scopeAt(kind, origin);
  if (kind === 'insert') return { ...base, row: after, before: null };
  const row = after.map((value, index) => (value === UNCHANGED ? (before?.[index] ?? UNCHANGED) : value));
  // The log leaves out the old image where the identity did not change: its columns' old values are the new ones.
  const old =
    before ??
    source.columns.map(
      (column, index): Value => (source.identityColumns.includes(column.name) ? (after[index] ?? null) : UNCHANGED),
    );
  return { ...base, row, before: old };
}

/** Values that pass come from the row as it was logged: what is unchanged stays so, though the old image may know it. */
function newImage(plan: TablePlan, logged: Row, scope: RowScope): Row {
  return plan.columns.map((one): Value => {
    if (one.kind === 'source') return pass(one, logged);
    if (one.kind === 'computed') return compute(plan, one, scope);
    return scope.operation === 'insert' ? null : oldValue(plan, one, scope);
  });
}

function oldImage(plan: TablePlan, row: Row, origin: RowOrigin | null): Row {
  const scope: RowScope = { ...scopeAt('update', origin), row, before: null };
  return plan.columns.map((one): Value => {
    // A random value of the old row is not the one that the target holds.
    if (one.kind === 'source') return one.random ? UNCHANGED : pass(one, row);
    if (one.kind === 'before' || !one.pure || unknownColumns(one, row).length > 0) return UNCHANGED;
    return compute(plan, one, scope);
  });
}

/** A deleted row that stays: what the log still carries of it, and the flag. */
function flaggedImage(plan: TablePlan, scope: RowScope): Row {
  return plan.columns.map((one): Value => {
    if (one.kind === 'source') return one.random ? UNCHANGED : pass(one, scope.row);
    if (one.kind === 'before') return pass(one.of, scope.row);
    return unknownColumns(one, scope.row).length > 0 ? UNCHANGED : compute(plan, one, scope);
  });
}

function pass(column: SourceColumn, row: Row): Value {
  const value = row[column.index];
  invariant(value !== undefined, 'a row has a value for each column');
  if (column.convert === null || value === null || value === UNCHANGED) return value;
  return column.convert(value);
}

function oldValue(plan: TablePlan, one: Extract<ColumnPlan, { kind: 'before' }>, scope: RowScope): Value {
  const value = pass(one.of, scope.before ?? []);
  if (value === UNCHANGED) throw incomplete(plan, one.rule.id, one.of.index);
  return value;
}

function compute(plan: TablePlan, one: ComputedColumn, scope: RowScope): Value {
  const { evaluate, references } = one;
  if (evaluate === null) return null;
  if (one.needsOrigin && scope.origin === null)
    throw new MillraceError('MAPPING_ORIGIN_UNKNOWN', { rule: one.rule.id, table: showTable(plan.source.id) });
  const unknown = unknownColumns(one, scope.row);
  if (unknown.length > 0) {
    // Nothing that the value follows from has changed, so it has not either.
    if (one.pure && unknown.length === references.columns.size) return UNCHANGED;
    throw incomplete(plan, one.rule.id, unknown[0] ?? 0);
  }
  const { before } = scope;
  const unknownBefore = before === null ? undefined : [...references.beforeColumns].find((index) => before[index] === UNCHANGED);
  if (unknownBefore !== undefined) throw incomplete(plan, one.rule.id, unknownBefore);
  const convert = reporting(
    plan.source,
    { column: one.column, target: one.target, rule: one.rule },
    (value: ReturnType<typeof evaluate>) => convertResult(value, one.target),
  );
  try {
    return convert(evaluate(scope));
  } catch (cause) {
    if (!(cause instanceof EvaluationError)) throw cause;
    throw new MillraceError(
      'MAPPING_EXPRESSION_FAILED',
      { rule: one.rule.id, table: showTable(plan.source.id), problem: cause.message },
      { cause },
    );
  }
}

function unknownColumns(one: ComputedColumn, row: Row): readonly number[] {
  return [...one.references.columns].filter((index) => row[index] === UNCHANGED);
}

function incomplete(plan: TablePlan, rule: string, index: number): MillraceError {
  const { id, columns } = plan.source;
  return new MillraceError('MAPPING_IMAGE_INCOMPLETE', {
    rule,
    table: showTable(id),
    column: columns[index]?.name ?? '',
    quoted: quotedTable(id),
  });
}
