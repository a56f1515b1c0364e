import { skipValue } from '@millrace/apply/image-layout.js';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import { hasValue, isAmong, isEqual, readLiteral } from './literals.js';
import type { PlannedColumn, WritePlan } from './write-plan.js';

/** A row's values as literals, by index in the image; undefined: the image does not carry the column, or the target computes it. */
export type Literals = readonly (string | undefined)[];

/** Reads row images as literals for one plan's columns. */
export class RowLiterals {
  private readonly reader = new ImageReader();

  /** @throws NotMysqlValue */
  of(plan: WritePlan, bytes: Uint8Array, start: number, end: number): Literals {
    const { reader } = this;
    reader.open(plan.version, bytes, start, end);
    return plan.columns.map((column, index) => {
      if (column !== null) return readLiteral(reader, column.wire, column.form);
      if (reader.next() === COLUMN.value) skipValue(reader, plan.layout.wires[index] ?? 'string');
      return undefined;
    });
  }
}

/** `(1, 'a')`; undefined where a value is missing. */
export function rowOf(plan: WritePlan, literals: Literals): string | undefined {
  const values: string[] = [];
  for (const { index } of plan.written) {
    const literal = literals[index];
    if (literal === undefined) return undefined;
    values.push(literal);
  }
  return `(${values.join(', ')})`;
}

/** A condition that one row meets, by the key; without a key by every value that the image carries. */
export function whereIs(columns: readonly PlannedColumn[], literals: Literals): string {
  const conditions = columns.flatMap(({ sql, index, form }) => {
    const literal = literals[index];
    return literal === undefined ? [] : [hasValue(sql, literal, form)];
  });
  return conditions.length === 0 ? 'TRUE' : conditions.join(' AND ');
}

/**
 * The update of one row from its old image to its new one. A key's column is set only where it changes; where nothing is, the row is
 * still looked for.
 */
export function updateOf(plan: WritePlan, before: Literals, after: Literals): string {
  const set = plan.written.flatMap(({ sql, index, isKey }) => {
    const literal = after[index];
    return literal === undefined || (isKey && literal === before[index]) ? [] : [`${sql} = ${literal}`];
  });
  const [any] = plan.written;
  const assignments = set.length > 0 ? set.join(', ') : `${any?.sql ?? ''} = ${any?.sql ?? ''}`;
  const keyed = plan.key.length > 0;
  return `UPDATE ${plan.relation} SET ${assignments} WHERE ${whereIs(keyed ? plan.key : plan.written, before)}${keyed ? '' : ' LIMIT 1'}`;
}

/**
 * Updates of several rows that stay where they are and carry the same columns, as one statement that has to meet all of them: the server
 * takes far longer to begin a statement than to look through a few dozen keys for a row's values.
 */
export function updatesOf(plan: WritePlan, rows: readonly Literals[]): string {
  const [first = []] = rows;
  const columns = plan.written.filter(({ index, isKey }) => !isKey && first[index] !== undefined);
  if (rows.length === 1 || columns.length === 0) return updateOf(plan, first, first);
  const keys = rows.map((row) => plan.key.map(({ sql, index, form }) => isEqual(sql, row[index] ?? 'NULL', form)).join(' AND '));
  const set = columns.map(
    ({ sql, index }) => `${sql} = CASE ${rows.map((row, at) => `WHEN ${keys[at]} THEN ${row[index]}`).join(' ')} END`,
  );
  return `UPDATE ${plan.relation} SET ${set.join(', ')} WHERE ${whereAmong(plan, rows)}`;
}

/** Deletes of several rows by their keys, as one statement. */
export function deletesOf(plan: WritePlan, rows: readonly Literals[]): string {
  return `DELETE FROM ${plan.relation} WHERE ${whereAmong(plan, rows)}`;
}

/** A condition that rows with these keys meet, and no others. */
function whereAmong(plan: WritePlan, rows: readonly Literals[]): string {
  const [only] = plan.key;
  if (only === undefined || plan.key.length > 1) return rows.map((row) => `(${whereIs(plan.key, row)})`).join(' OR ');
  return isAmong(
    only.sql,
    rows.map((row) => row[only.index] ?? 'NULL'),
    only.form,
  );
}

export function deleteOf(plan: WritePlan, before: Literals): string {
  const keyed = plan.key.length > 0;
  return `DELETE FROM ${plan.relation} WHERE ${whereIs(keyed ? plan.key : plan.written, before)}${keyed ? '' : ' LIMIT 1'}`;
}
