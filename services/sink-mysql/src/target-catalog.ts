import { displayTable } from '@millrace/codec/table-key.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteTable } from '@millrace/mysql/quote-identifier.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import type { TargetTable } from './target-table.js';

const tableRow = z.object({ kind: z.string(), storageEngine: z.string().nullable() });
const columnRow = z.object({
  name: z.string(),
  type: z.string(),
  declaration: z.string(),
  nullable: z.string(),
  default: z.string().nullable(),
  extra: z.string().nullable(),
  expression: z.string().nullable(),
  charset: z.string().nullable(),
  collation: z.string().nullable(),
});
const indexRow = z.object({ name: z.string(), column: z.string().nullable(), prefix: z.unknown() });
const triggerRow = z.object({ name: z.string() });

/** The target table as the catalogue shows it now; undefined where nothing has its name. */
export async function readTargetTable(connection: Connection, { schema, table }: TableId): Promise<TargetTable | undefined> {
  const [found] = await queryRows(
    connection,
    'SELECT TABLE_TYPE AS kind, ENGINE AS storageEngine FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
    [schema, table],
    tableRow,
  );
  if (found === undefined) return undefined;
  const columns = await queryRows(
    connection,
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type, COLUMN_TYPE AS declaration, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS \`default\`, EXTRA AS extra,
            GENERATION_EXPRESSION AS expression, CHARACTER_SET_NAME AS charset, COLLATION_NAME AS collation
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
    [schema, table],
    columnRow,
  );
  const indexes = await queryRows(
    connection,
    `SELECT INDEX_NAME AS name, COLUMN_NAME AS \`column\`, SUB_PART AS prefix FROM information_schema.STATISTICS
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX`,
    [schema, table],
    indexRow,
  );
  const triggers = await queryRows(
    connection,
    'SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ? ORDER BY 1',
    [schema, table],
    triggerRow,
  );
  const unique = new Map<string, string[]>();
  // An index of an expression, or of a column's beginning, keeps something else unique.
  const partial = new Set(indexes.filter(({ column, prefix }) => column === null || prefix !== null).map(({ name }) => name));
  for (const { name, column } of indexes)
    if (column !== null && !partial.has(name)) unique.set(name, [...(unique.get(name) ?? []), column]);
  return {
    ...found,
    columns: columns.map(({ nullable, extra, expression, ...column }) => ({
      ...column,
      type: column.type.toLowerCase(),
      declaration:
        column.declaration.toLowerCase().startsWith('enum') || column.declaration.toLowerCase().startsWith('set')
          ? column.declaration
          : column.declaration.toLowerCase(),
      nullable: nullable === 'YES',
      autoIncrement: /auto_increment/i.test(extra ?? ''),
      // MySQL also says DEFAULT_GENERATED, of a default that is an expression.
      generated: /(VIRTUAL|STORED|PERSISTENT)( GENERATED)?/i.test(extra ?? ''),
      expression: expression === '' ? null : expression,
    })),
    primaryKey: unique.get('PRIMARY') ?? [],
    uniqueKeys: [...unique.values()],
    triggers: triggers.map(({ name }) => name),
  };
}

/**
 * The same, for a table that is to be written.
 * @throws MillraceError TARGET_NOT_A_TABLE where something else has its name; TARGET_NOT_TRANSACTIONAL where its engine cannot roll back
 */
export async function findTable(connection: Connection, id: TableId): Promise<TargetTable | undefined> {
  const table = await readTargetTable(connection, id);
  if (table === undefined) return undefined;
  if (table.kind !== 'BASE TABLE')
    throw new MillraceError('TARGET_NOT_A_TABLE', { table: displayTable(id), kind: kindInWords(table.kind) });
  if (table.storageEngine?.toLowerCase() !== 'innodb')
    throw new MillraceError('TARGET_NOT_TRANSACTIONAL', { table: displayTable(id), engine: table.storageEngine ?? 'unknown' });
  return table;
}

function kindInWords(kind: string): string {
  return /^[AEIOU]/.test(kind) ? `an ${kind.toLowerCase()}` : `a ${kind.toLowerCase()}`;
}

const emptyRow = z.object({ found: z.coerce.number().int() });

export async function isEmpty(connection: Connection, id: TableId): Promise<boolean> {
  const [row] = await queryRows(connection, `SELECT EXISTS (SELECT 1 FROM ${quoteTable(id)}) AS found`, [], emptyRow);
  return row?.found === 0;
}

const nameRow = z.object({ name: z.string() });

/** Collations that the server has, by their whole names. */
export async function readCollations(connection: Connection): Promise<ReadonlySet<string>> {
  // MariaDB's newer ones serve several character sets: COLLATIONS has their names without one, as no column has them.
  const whole = await queryRows(
    connection,
    `SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema'
       AND TABLE_NAME = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND COLUMN_NAME = 'FULL_COLLATION_NAME'`,
    [],
    nameRow,
  );
  const column = whole.length > 0 ? 'FULL_COLLATION_NAME' : 'COLLATION_NAME';
  const rows = await queryRows(
    connection,
    `SELECT ${column} AS name FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ${column} IS NOT NULL`,
    [],
    nameRow,
  );
  return new Set(rows.map(({ name }) => name));
}

/** Tables of other names whose foreign keys refer to this one. */
export async function referringTables(connection: Connection, id: TableId): Promise<readonly string[]> {
  const rows = await queryRows(
    connection,
    `SELECT DISTINCT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS name FROM information_schema.KEY_COLUMN_USAGE
     WHERE REFERENCED_TABLE_SCHEMA = ? AND REFERENCED_TABLE_NAME = ? AND NOT (TABLE_SCHEMA = ? AND TABLE_NAME = ?)`,
    [id.schema, id.table, id.schema, id.table],
    nameRow,
  );
  return rows.map(({ name }) => name);
}
