import type { RowFilter } from '@millrace/contract/load.js';
import type { ReadRequest, TableReader, TextRow } from '@millrace/contract/reader.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { z } from 'zod';
import { closeSession, connect } from './connect.js';
import { type ConnectionSettings, describeConnection, type End, parseConnectionUrl } from './connection-url.js';
import { quoteIdentifier, quoteTable } from './quote-identifier.js';

const BATCH_ROWS = 1_000;
/** A longer text comes as its digest: a batch's memory is bounded whatever the values are, and nobody reads a megabyte's difference. */
const MAX_TEXT_BYTES = 2_048;

/** Every value as the text that the server sent. */
const TEXTS = {
  getTypeParser:
    () =>
    (value: string): string =>
      value,
};

/** Texts must not depend on a role's or a database's settings. */
const SESSION_SETTINGS = {
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  search_path: 'pg_catalog',
  row_security: 'off',
  statement_timeout: '0',
  jit: 'off',
};

/** Opens a reader on a PostgreSQL database. @throws MillraceError ENDPOINT_URL_INVALID */
export function openPostgresReader(url: string, end: End): TableReader {
  return new PostgresReader(parseConnectionUrl(url, end));
}

class PostgresReader implements TableReader {
  readonly engine = 'postgresql';

  constructor(private readonly connection: ConnectionSettings) {}

  /** Each table in a session and a snapshot of its own; a cursor keeps the memory at one batch on both sides. */
  async *rows(request: ReadRequest, signal: AbortSignal): AsyncGenerator<readonly TextRow[]> {
    const client = await connect(this.connection, { applicationName: 'millrace:verify', settings: SESSION_SETTINGS, signal });
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const partitioned = await isPartitioned(client, request.table);
      const types = request.form === 'common' ? await columnTypes(client, request.table) : new Map<string, string>();
      await client.query(`DECLARE verification NO SCROLL CURSOR FOR ${selectStatement(request, { partitioned, types })}`);
      const floats = request.columns.map((name) => ['float4', 'float8'].includes(types.get(name) ?? ''));
      while (!signal.aborted) {
        const { rows } = await client.query<(string | null)[]>({
          text: `FETCH ${BATCH_ROWS} FROM verification`,
          rowMode: 'array',
          types: TEXTS,
        });
        if (rows.length === 0) return;
        yield floats.includes(true) ? rows.map((row) => shortFloats(row, floats)) : rows;
      }
    } catch (cause) {
      if (cause instanceof MillraceError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MillraceError(
        'VERIFY_UNREADABLE',
        {
          end: this.connection.end,
          where: describeConnection(this.connection),
          table: `${request.table.schema}.${request.table.table}`,
          reason,
        },
        { cause },
      );
    } finally {
      await closeSession(client);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
  }
}

/** PostgreSQL prints 1e+20 where another engine prints 1e20. */
function shortFloats(row: TextRow, floats: readonly boolean[]): TextRow {
  return row.map((value, index) => (floats[index] === true && value !== null ? String(Number(value)) : value));
}

async function isPartitioned(client: Client, { schema, table }: TableId): Promise<boolean> {
  const { rows } = await client.query(
    "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'p'",
    [schema, table],
  );
  return rows.length > 0;
}

const typeRow = z.object({ name: z.string(), type: z.string() });

/** The type of each column by its name, a domain's base type in the end. */
async function columnTypes(client: Client, { schema, table }: TableId): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query(
    `WITH RECURSIVE base AS (
       SELECT a.attname, a.atttypid AS type FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
       UNION ALL
       SELECT b.attname, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
     )
     SELECT b.attname::text AS name, t.typname::text AS type FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype <> 'd'`,
    [schema, table],
  );
  return new Map(
    z
      .array(typeRow)
      .parse(rows)
      .map(({ name, type }) => [name, type]),
  );
}

/** A column's value as text; of a column without a type in its own form. */
function textSql(column: string, type: string | undefined): string {
  switch (type) {
    case 'bool':
      return `CASE WHEN ${column} THEN '1' WHEN NOT ${column} THEN '0' END`;
    case 'bytea':
      return `encode(${column}, 'hex')`;
    case 'float4':
      // Its own text has a float's digits, and another engine's those of the double that it widens to.
      return `${column}::pg_catalog.float8::pg_catalog.text`;
    case 'numeric':
      return `trim_scale(${column})::pg_catalog.text`;
    case 'timestamptz':
      return `(${column} AT TIME ZONE 'UTC')::pg_catalog.text`;
    default:
      return `${column}::pg_catalog.text`;
  }
}

function selectStatement(
  { table, columns, orderBy, filter }: ReadRequest,
  { partitioned, types }: { readonly partitioned: boolean; readonly types: ReadonlyMap<string, string> },
): string {
  const texts = columns.map((name) => textSql(`t.${quoteIdentifier(name)}`, types.get(name)));
  const order =
    orderBy.length > 0
      ? orderBy.map(({ name, order: by }) =>
          by === 'integer' ? `t.${quoteIdentifier(name)}` : bytewise(texts[columns.indexOf(name)] ?? ''),
        )
      : texts.map((text) => bytewise(bounded(text)));
  const where = filter === null ? '' : ` WHERE ${filterSql(filter)}`;
  // A key comes whole: rows are matched by it, in its order.
  const keys = new Set(orderBy.map(({ name }) => name));
  const values = columns.map((name, index) => (keys.has(name) ? texts[index] : bounded(texts[index] ?? '')));
  // A table of an inheritance tree holds its own rows only; a partitioned one is read through its root.
  const from = `${partitioned ? '' : 'ONLY '}${quoteTable(table)} AS t`;
  return `SELECT ${values.length > 0 ? values.join(', ') : "''::pg_catalog.text"} FROM ${from}${where}${order.length > 0 ? ` ORDER BY ${order.join(', ')}` : ''}`;
}

function bounded(text: string): string {
  return `CASE WHEN octet_length(${text}) > ${MAX_TEXT_BYTES} THEN octet_length(${text}) || ' bytes, SHA-256 ' || encode(sha256(convert_to(${text}, 'UTF8')), 'hex') ELSE ${text} END`;
}

/** Like the comparison of texts as UTF-8 bytes, whatever the collations of the two databases are; nulls last. */
function bytewise(expression: string): string {
  return `(${expression})::pg_catalog.text COLLATE pg_catalog."C"`;
}

function filterSql(filter: RowFilter): string {
  const column = (name: string): string => `t.${quoteIdentifier(name)}`;
  const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;
  switch (filter.kind) {
    case 'all':
      return filter.of.length === 0 ? 'true' : `(${filter.of.map(filterSql).join(' AND ')})`;
    case 'any':
      return filter.of.length === 0 ? 'false' : `(${filter.of.map(filterSql).join(' OR ')})`;
    case 'compare':
      return `${column(filter.column)} ${{ eq: '=', noteq: '<>', ste: '<=', gte: '>=' }[filter.operator]} ${literal(filter.value)}`;
    case 'between':
      return `${column(filter.column)} BETWEEN ${literal(filter.start)} AND ${literal(filter.end)}`;
    case 'notbetween':
      return `${column(filter.column)} NOT BETWEEN ${literal(filter.start)} AND ${literal(filter.end)}`;
    case 'null':
      return `${column(filter.column)} IS NULL`;
    case 'notnull':
      return `${column(filter.column)} IS NOT NULL`;
  }
}
