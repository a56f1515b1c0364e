import type { RowFilter } from '@millrace/contract/load.js';
import type { ReadRequest, TableReader, TextRow } from '@millrace/contract/reader.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
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
  constructor(private readonly connection: ConnectionSettings) {}

  /** Each table in a session and a snapshot of its own; a cursor keeps the memory at one batch on both sides. */
  async *rows(request: ReadRequest, signal: AbortSignal): AsyncGenerator<readonly TextRow[]> {
    const client = await connect(this.connection, { applicationName: 'millrace:verify', settings: SESSION_SETTINGS, signal });
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const partitioned = await isPartitioned(client, request.table);
      await client.query(`DECLARE verification NO SCROLL CURSOR FOR ${selectStatement(request, partitioned)}`);
      while (!signal.aborted) {
        const { rows } = await client.query<(string | null)[]>({
          text: `FETCH ${BATCH_ROWS} FROM verification`,
          rowMode: 'array',
          types: TEXTS,
        });
        if (rows.length === 0) return;
        yield rows;
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

async function isPartitioned(client: Client, { schema, table }: TableId): Promise<boolean> {
  const { rows } = await client.query(
    "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'p'",
    [schema, table],
  );
  return rows.length > 0;
}

function selectStatement({ table, columns, orderBy, filter }: ReadRequest, partitioned: boolean): string {
  const texts = columns.map((name) => `t.${quoteIdentifier(name)}::pg_catalog.text`);
  const order =
    orderBy.length > 0
      ? orderBy.map(({ name, order: by }) =>
          by === 'integer' ? `t.${quoteIdentifier(name)}` : bytewise(`t.${quoteIdentifier(name)}`),
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
