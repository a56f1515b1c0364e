/**
 * The state of a column whose value the log did not carry (an untouched TOAST value, a non-key column of a key-only
 * old image). Not null: whoever applies it leaves the column as it is.
 */
export const UNCHANGED: unique symbol = Symbol('unchanged');

/** A column's value as an object, for the slow path (mapping rules, printing). int64 is a bigint, text forms stay text. */
export type Value = null | typeof UNCHANGED | boolean | number | bigint | string | Uint8Array;

/** Values in the table version's column order. */
export type Row = readonly Value[];
