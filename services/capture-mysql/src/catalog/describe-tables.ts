import { displayTable, tableKey } from '@millrace/codec/table-key.js';
import type { ColumnSchema, TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteLiteral } from '@millrace/mysql/quote-identifier.js';
import { queryRows, type Server } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { logicalTypeOf } from './column-type.js';

/** Names in one question to information_schema. */
const TABLES_AT_ONCE = 100;

const count = z.coerce.number().nullable();
const columnRow = z.object({
  schema: z.string(),
  tableName: z.string(),
  name: z.string(),
  ordinal: z.coerce.number(),
  defaultText: z.string().nullable(),
  nullable: z.string(),
  type: z.string(),
  declaration: z.string(),
  length: count,
  precision: count,
  scale: count,
  fraction: count,
  collation: z.string().nullable(),
  extra: z.string(),
  generated: z.string().nullable(),
});
type ColumnRow = z.infer<typeof columnRow>;

const keyRow = z.object({ schema: z.string(), tableName: z.string(), name: z.string() });
const checkRow = z.object({ schema: z.string(), tableName: z.string(), clause: z.string() });

/**
 * The tables as the catalogue has them now, in the order of `tables`; those that are not there are left out.
 * @throws MillraceError SOURCE_COLUMN_TYPE for a column of a type that is not carried.
 */
export async function describeTables(
  session: Connection,
  server: Server,
  tables: readonly TableId[],
): Promise<readonly TableSchema[]> {
  const described = new Map<string, TableSchema>();
  for (let first = 0; first < tables.length; first += TABLES_AT_ONCE) {
    for (const schema of await describeSome(session, server, tables.slice(first, first + TABLES_AT_ONCE)))
      described.set(tableKey(schema.id), schema);
  }
  return tables.flatMap((id) => described.get(tableKey(id)) ?? []);
}

async function describeSome(session: Connection, server: Server, tables: readonly TableId[]): Promise<readonly TableSchema[]> {
  const named = tables.map(({ schema, table }) => `(${quoteLiteral(schema)}, ${quoteLiteral(table)})`).join(', ');
  const columns = await queryRows(
    session,
    `SELECT TABLE_SCHEMA AS \`schema\`, TABLE_NAME AS tableName, COLUMN_NAME AS name, ORDINAL_POSITION AS ordinal,
            COLUMN_DEFAULT AS defaultText, IS_NULLABLE AS nullable, DATA_TYPE AS type, COLUMN_TYPE AS declaration,
            CHARACTER_MAXIMUM_LENGTH AS length, NUMERIC_PRECISION AS \`precision\`, NUMERIC_SCALE AS scale,
            DATETIME_PRECISION AS fraction, COLLATION_NAME AS collation, EXTRA AS extra, GENERATION_EXPRESSION AS \`generated\`
       FROM information_schema.COLUMNS WHERE (TABLE_SCHEMA, TABLE_NAME) IN (${named})
      ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`,
    [],
    columnRow,
  );
  const keys = await queryRows(
    session,
    `SELECT TABLE_SCHEMA AS \`schema\`, TABLE_NAME AS tableName, COLUMN_NAME AS name FROM information_schema.STATISTICS
      WHERE INDEX_NAME = 'PRIMARY' AND (TABLE_SCHEMA, TABLE_NAME) IN (${named}) ORDER BY TABLE_SCHEMA, TABLE_NAME, SEQ_IN_INDEX`,
    [],
    keyRow,
  );
  const json = server.engine === 'mariadb' ? await jsonColumns(session, named) : new Set<string>();
  const keyOf = grouped(keys);
  return [...grouped(columns)].map(([key, rows]) => tableSchema(server, rows, { key: keyOf.get(key) ?? [], json }));
}

/** MariaDB's JSON is a longtext with a check that the server makes with it. */
async function jsonColumns(session: Connection, named: string): Promise<ReadonlySet<string>> {
  const checks = await queryRows(
    session,
    `SELECT CONSTRAINT_SCHEMA AS \`schema\`, TABLE_NAME AS tableName, CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS
      WHERE (CONSTRAINT_SCHEMA, TABLE_NAME) IN (${named}) AND CHECK_CLAUSE LIKE 'json_valid(%'`,
    [],
    checkRow,
  );
  return new Set(
    checks.flatMap(({ schema, tableName, clause }) => {
      const column = /^json_valid\(`((?:[^`]|``)*)`\)$/.exec(clause)?.[1];
      return column === undefined ? [] : [`${tableKey({ schema, table: tableName })}.${column.replaceAll('``', '`')}`];
    }),
  );
}

function grouped<T extends { readonly schema: string; readonly tableName: string }>(rows: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const key = tableKey({ schema: row.schema, table: row.tableName });
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}

function tableSchema(
  server: Server,
  rows: readonly ColumnRow[],
  { key, json }: { readonly key: readonly { readonly name: string }[]; readonly json: ReadonlySet<string> },
): TableSchema {
  const [first] = rows;
  const id = { schema: first?.schema ?? '', table: first?.tableName ?? '' };
  const columns = rows.map((row) => columnSchema(server, id, row, json.has(`${tableKey(id)}.${row.name}`)));
  return tableOf(
    id,
    columns,
    key.map(({ name }) => name),
  );
}

/** A table version of this engine: the log has whole old rows, and the primary key identifies them where there is one. */
export function tableOf(id: TableId, columns: readonly ColumnSchema[], primaryKey: readonly string[]): TableSchema {
  const stored = columns.filter(({ generated }) => generated === null).map(({ name }) => name);
  return {
    id,
    columns,
    primaryKey,
    primaryKeyName: primaryKey.length === 0 ? null : 'PRIMARY',
    identityColumns: primaryKey.length === 0 ? stored : primaryKey,
    replicaIdentity: 'full',
    types: [],
    extensions: [],
  };
}

function columnSchema(server: Server, id: TableId, row: ColumnRow, json: boolean): ColumnSchema {
  const type = logicalTypeOf({ ...row, name: row.type, json });
  if (type === null) {
    throw new MillraceError('SOURCE_COLUMN_TYPE', { table: displayTable(id), column: row.name, type: row.declaration });
  }
  const generated = row.generated !== null && row.generated !== '' ? row.generated : null;
  const labelled = row.type === 'enum' || row.type === 'set';
  return {
    name: row.name,
    ordinal: row.ordinal,
    type,
    native: { engine: server.engine, schema: '', name: row.type, declaration: row.declaration },
    nullable: row.nullable === 'YES',
    generated,
    identity: /auto_increment/i.test(row.extra) ? 'by-default' : 'none',
    default: generated === null ? defaultOf(server, row) : null,
    missingValue: null,
    collation: type.kind === 'text' || labelled || json ? row.collation : null,
  };
}

/** The default as an expression: MariaDB writes it so; MySQL writes literals bare and says which are expressions. */
function defaultOf(server: Server, { defaultText, extra, type }: ColumnRow): string | null {
  if (defaultText === null) return null;
  if (server.engine === 'mariadb') return defaultText === 'NULL' ? null : defaultText;
  if (/DEFAULT_GENERATED/.test(extra)) return defaultText;
  if ((type === 'datetime' || type === 'timestamp') && /^CURRENT_TIMESTAMP/i.test(defaultText)) return defaultText;
  return type === 'bit' ? defaultText : quoteLiteral(defaultText);
}
