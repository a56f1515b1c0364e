import type { PlannedColumn, WritePlan } from './write-plan.js';

/**
 * The SQL of bulk statements. Values come as one array per column, expanded by unnest; a column without a binary form comes as
 * text and is cast by the server.
 */
export interface Statement {
  readonly text: string;
  /** Columns in the order of the parameters. */
  readonly parameters: readonly PlannedColumn[];
}

export function copyStatement(plan: WritePlan): string {
  return `COPY ${plan.table.relation} (${plan.written.map((column) => column.sql).join(', ')}) FROM STDIN (FORMAT binary)`;
}

export function insertStatement(plan: WritePlan): Statement {
  const parameters = plan.written;
  const text =
    `INSERT INTO ${plan.table.relation} (${parameters.map((column) => column.sql).join(', ')})${overriding(plan)} ` +
    `SELECT ${parameters.map(parameterValue).join(', ')} FROM ${unnest(parameters)}`;
  return { text, parameters };
}

/** `present`: which columns the images carry. */
export function updateStatement(plan: WritePlan, present: readonly boolean[]): Statement {
  const carried = plan.written.filter((column) => present[column.index] === true);
  const changed = carried.filter((column) => !column.isKey && !column.identityAlways);
  const fixed = carried.filter((column) => !column.isKey && column.identityAlways);
  const parameters = [...plan.key, ...changed, ...fixed];
  const value = (column: PlannedColumn): string => parameterValue(column, parameters.indexOf(column));
  // No UPDATE can set such a column: where its value changed, the row counts as missing and is written alone.
  const where = keyMatches(plan) + fixed.map((column) => ` AND t.${column.sql} IS NOT DISTINCT FROM ${value(column)}`).join('');
  const set = changed.map((column) => `${column.sql} = ${value(column)}`).join(', ');
  const { relation } = plan.table;
  // Where no column is left to set, the rows must be there all the same.
  const text =
    changed.length > 0
      ? `UPDATE ${relation} AS t SET ${set} FROM ${unnest(parameters)} WHERE ${where}`
      : `SELECT FROM ${relation} AS t, ${unnest(parameters)} WHERE ${where}`;
  return { text, parameters };
}

export function deleteStatement(plan: WritePlan): Statement {
  return {
    text: `DELETE FROM ${plan.table.relation} AS t USING ${unnest(plan.key)} WHERE ${keyMatches(plan)}`,
    parameters: plan.key,
  };
}

/** Deletes and returns, as text and in the order of `written`, what the rows held; first the key's number in the parameters, from 1. */
export function deleteReturningStatement(plan: WritePlan): Statement {
  const source = `unnest(${plan.key.map((column, index) => `$${index + 1}::${column.parameterType}[]`).join(', ')}) WITH ORDINALITY`;
  const names = [...plan.key.map((_column, index) => `c${index}`), 'n'];
  const text =
    `DELETE FROM ${plan.table.relation} AS t USING ${source} AS u(${names.join(', ')}) WHERE ${keyMatches(plan)} ` +
    `RETURNING u.n::pg_catalog.int4, ${plan.written.map((column) => `t.${column.sql}::pg_catalog.text`).join(', ')}`;
  return { text, parameters: plan.key };
}

function unnest(parameters: readonly PlannedColumn[]): string {
  const arrays = parameters.map((column, index) => `$${index + 1}::${column.parameterType}[]`);
  return `unnest(${arrays.join(', ')}) AS u(${parameters.map((_column, index) => `c${index}`).join(', ')})`;
}

function parameterValue(column: PlannedColumn, index: number): string {
  return column.isBinary ? `u.c${index}` : `u.c${index}::${column.type}`;
}

/** The key's columns are the first parameters. */
function keyMatches(plan: WritePlan): string {
  return plan.key.map((column, index) => `${column.compared} ${column.equals} ${parameterValue(column, index)}`).join(' AND ');
}

export function overriding(plan: WritePlan): string {
  return plan.written.some((column) => column.identityAlways) ? ' OVERRIDING SYSTEM VALUE' : '';
}
