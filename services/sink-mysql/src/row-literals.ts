import { skipValue } from '@millrace/apply/image-layout.js';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import { hasValue, readLiteral } from './literals.js';
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

export function deleteOf(plan: WritePlan, before: Literals): string {
  const keyed = plan.key.length > 0;
  return `DELETE FROM ${plan.relation} WHERE ${whereIs(keyed ? plan.key : plan.written, before)}${keyed ? '' : ' LIMIT 1'}`;
}
