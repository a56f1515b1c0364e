import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { quoteIdentifier, quoteTable } from '@millrace/mysql/quote-identifier.js';
import { LARGE_TYPES } from './target-schema.js';

/** Whether a column's collation is there in the target. */
export type HasCollation = (collation: string) => boolean;

/** In place of a collation that the target lacks: one that never takes two texts of different characters for the same. */
const PLAIN_COLLATION = 'utf8mb4_bin';

/**
 * The table with its columns, NOT NULL, generated columns, AUTO_INCREMENT and its primary key: InnoDB keeps rows in the key's order, so
 * that it comes first. `defaults`: false leaves them out, where the target does not take one of them.
 */
export function createTable(schema: TableSchema, hasCollation: HasCollation, defaults: boolean): string {
  const parts = schema.columns.map((column) => columnClause(column, hasCollation, defaults ? column.default : null));
  if (schema.primaryKey.length > 0) parts.push(`PRIMARY KEY (${schema.primaryKey.map(quoteIdentifier).join(', ')})`);
  const counted = schema.columns.find(isCounted);
  // A counter has to be the first column of some index.
  if (counted !== undefined && counted.name !== schema.primaryKey[0]) parts.push(`KEY (${quoteIdentifier(counted.name)})`);
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteTable(schema.id)} (${parts.join(', ')}) ` +
    `ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE ${PLAIN_COLLATION}`
  );
}

/** Name, type and everything that belongs to the column. `defaultExpression`: null for none. */
export function columnClause(column: ColumnSchema, hasCollation: HasCollation, defaultExpression: string | null): string {
  const words = [quoteIdentifier(column.name), column.native.declaration];
  if (column.collation !== null) words.push(collationClause(column.collation, hasCollation));
  if (column.generated !== null) {
    words.push(`GENERATED ALWAYS AS (${column.generated}) STORED`);
    // MariaDB takes no NOT NULL of a generated column.
    return words.join(' ');
  }
  words.push(column.nullable ? 'NULL' : 'NOT NULL');
  if (isCounted(column)) words.push('AUTO_INCREMENT');
  else if (defaultExpression !== null) words.push(`DEFAULT ${defaultOf(column, defaultExpression)}`);
  return words.join(' ');
}

export function isCounted({ identity, generated }: ColumnSchema): boolean {
  return identity !== 'none' && generated === null;
}

/** Both engines take an expression in parentheses for any type, and a literal only for small ones. */
export function defaultOf({ native }: ColumnSchema, expression: string): string {
  return LARGE_TYPES.has(native.name) && !expression.startsWith('(') ? `(${expression})` : expression;
}

/** The collation under the name that the target has for it; null: the target lacks it. Versions differ in what they call UTF-8 of three bytes. */
export function presentCollation(collation: string, hasCollation: HasCollation): string | null {
  const other = collation.startsWith('utf8mb3_')
    ? collation.replace('utf8mb3_', 'utf8_')
    : collation.replace(/^utf8_/, 'utf8mb3_');
  return [collation, other].find(hasCollation) ?? null;
}

function collationClause(collation: string, hasCollation: HasCollation): string {
  const name = presentCollation(collation, hasCollation) ?? PLAIN_COLLATION;
  // The binary collation has no character set but its own.
  const charset = name.split('_')[0] ?? name;
  return `CHARACTER SET ${charset} COLLATE ${name}`;
}
