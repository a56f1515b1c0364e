import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { quoteIdentifier, quoteLiteral, quoteTable } from '@millrace/mysql/quote-identifier.js';
import { columnClause, defaultOf, type HasCollation, isCounted } from './create-table.js';
import { LARGE_TYPES } from './target-schema.js';
import type { TargetColumn, TargetTable } from './target-table.js';
import { plainDeclaration, typeMismatch } from './type-compatibility.js';

/**
 * A table's way from one version to the next: one statement, which the server does as a whole or not at all, and then ones that
 * may be repeated without harm.
 */
export interface AlterPlan {
  /** Null: the table has everything already. */
  readonly statement: string | null;
  readonly afterwards: readonly string[];
}

/** A column of both versions: the same one by its ordinal, whatever its name. */
interface KeptColumn {
  readonly before: ColumnSchema;
  readonly after: ColumnSchema;
  readonly target: TargetColumn;
}

/**
 * What is to be done to a table that is there. What the catalogue shows as done is left out; columns that neither version has are somebody
 * else's and stay. The target's own choice of a type, made before the task, is kept while it holds the new version's values.
 */
export function planAlter(from: TableSchema, to: TableSchema, present: TargetTable, hasCollation: HasCollation): AlterPlan {
  const targets = new Map(present.columns.map((column) => [column.name, column]));
  const earlier = new Map(from.columns.map((column) => [column.ordinal, column]));
  const later = new Set(to.columns.map(({ ordinal }) => ordinal));
  const clauses: string[] = [];
  const afterwards: string[] = [];
  const kept: KeptColumn[] = [];
  for (const after of to.columns) {
    const before = earlier.get(after.ordinal);
    const target = before === undefined ? undefined : (targets.get(before.name) ?? targets.get(after.name));
    if (before !== undefined && target !== undefined) kept.push({ before, after, target });
    else if (!targets.has(after.name)) clauses.push(`ADD COLUMN ${columnClause(after, hasCollation, firstDefault(after))}`);
    // Whether the column was added now or by an attempt before.
    if (before === undefined && after.missingValue !== null && after.generated === null && !isCounted(after))
      afterwards.push(settleDefault(to, after));
  }
  const taken = new Set(kept.map(({ target }) => target.name));
  for (const { ordinal, name } of from.columns)
    if (!later.has(ordinal) && targets.has(name) && !taken.has(name)) clauses.unshift(`DROP COLUMN ${quoteIdentifier(name)}`);
  for (const column of kept) clauses.push(...columnClauses(column, hasCollation));
  clauses.push(...keyClauses(from, to, kept, present));
  const moves = from.id.schema !== to.id.schema || from.id.table !== to.id.table;
  if (moves) clauses.push(`RENAME TO ${quoteTable(to.id)}`);
  return { statement: clauses.length === 0 ? null : `ALTER TABLE ${quoteTable(from.id)} ${clauses.join(', ')}`, afterwards };
}

/** Rows that are there show the value that the source's show; only then comes the default for new ones. */
function firstDefault({ missingValue, default: expression }: ColumnSchema): string | null {
  return missingValue === null ? expression : quoteLiteral(missingValue);
}

function settleDefault(table: TableSchema, column: ColumnSchema): string {
  const action = column.default === null ? 'DROP DEFAULT' : `SET DEFAULT ${alteredDefault(column, column.default)}`;
  return `ALTER TABLE ${quoteTable(table.id)} ALTER COLUMN ${quoteIdentifier(column.name)} ${action}`;
}

/** ALTER COLUMN takes literals as they are, and everything else in parentheses (MySQL) or either way (MariaDB). */
function alteredDefault(column: ColumnSchema, expression: string): string {
  const literal = /^(-?\d+(\.\d+)?|'.*'|NULL)$/is.test(expression) && !LARGE_TYPES.has(column.native.name);
  return literal || expression.startsWith('(')
    ? expression
    : `(${defaultOf(column, expression)})`.replace(/^\(\((.*)\)\)$/s, '($1)');
}

function columnClauses({ before, after, target }: KeptColumn, hasCollation: HasCollation): readonly string[] {
  const renamed = before.name !== after.name && target.name !== after.name;
  const declared = plainDeclaration(before.native.declaration) !== plainDeclaration(after.native.declaration);
  const isOwnChoice = plainDeclaration(target.declaration) !== plainDeclaration(before.native.declaration);
  const retyped =
    declared &&
    plainDeclaration(target.declaration) !== plainDeclaration(after.native.declaration) &&
    !(isOwnChoice && typeMismatch(after, target) === null);
  const redefined =
    retyped ||
    (before.collation !== after.collation && target.collation !== after.collation) ||
    (before.nullable !== after.nullable && target.nullable !== after.nullable) ||
    before.generated !== after.generated ||
    isCounted(before) !== isCounted(after);
  const old = quoteIdentifier(target.name);
  if (redefined) return [`CHANGE COLUMN ${old} ${columnClause(after, hasCollation, after.default)}`];
  if (renamed) return [`RENAME COLUMN ${old} TO ${quoteIdentifier(after.name)}`];
  if (before.default === after.default || after.generated !== null || isCounted(after)) return [];
  return [
    after.default === null
      ? `ALTER COLUMN ${old} DROP DEFAULT`
      : `ALTER COLUMN ${old} SET DEFAULT ${alteredDefault(after, after.default)}`,
  ];
}

function keyClauses(from: TableSchema, to: TableSchema, kept: readonly KeptColumn[], present: TargetTable): readonly string[] {
  const names = new Map(kept.map(({ before, after }) => [before.name, after.name]));
  const carried = from.primaryKey.map((name) => names.get(name) ?? '');
  if (isSame(carried, to.primaryKey) || isSame(present.primaryKey, to.primaryKey)) return [];
  const clauses = present.primaryKey.length > 0 ? ['DROP PRIMARY KEY'] : [];
  if (to.primaryKey.length > 0) clauses.push(`ADD PRIMARY KEY (${to.primaryKey.map(quoteIdentifier).join(', ')})`);
  return clauses;
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}
