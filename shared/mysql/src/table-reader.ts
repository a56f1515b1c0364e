import type { Readable } from 'node:stream';
import type { ReadRequest, TableReader, TextRow } from '@millrace/contract/reader.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { connect, coreOf } from './connect.js';
import { type ConnectionSettings, describeConnection, type End, parseConnectionUrl } from './connection-url.js';
import { quoteIdentifier, quoteTable } from './quote-identifier.js';
import { filterSql } from './row-filter.js';
import { queryRows } from './server.js';

const BATCH_ROWS = 1_000;
/** A longer text comes as its digest: a batch's memory is bounded whatever the values are, and nobody reads a megabyte's difference. */
const MAX_TEXT_BYTES = 2_048;

/** A table is read for as long as its comparison takes. */
const SESSION_SETTINGS = { net_write_timeout: '3600', net_read_timeout: '3600', group_concat_max_len: '1024' };

const textRow = z.array(z.string().nullable());

/** Opens a reader on a MySQL or MariaDB server. @throws MillraceError ENDPOINT_URL_INVALID */
export function openMysqlReader(url: string, end: End): TableReader {
  return new MysqlReader(parseConnectionUrl(url, end));
}

class MysqlReader implements TableReader {
  readonly engine = 'mysql';

  constructor(private readonly connection: ConnectionSettings) {}

  /** Each table in a session and a snapshot of its own; rows are read from the socket as they are asked for. */
  async *rows(request: ReadRequest, signal: AbortSignal): AsyncGenerator<readonly TextRow[]> {
    const session = await connect(this.connection, { applicationName: 'millrace:verify', settings: SESSION_SETTINGS, signal });
    try {
      await session.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
      const present = await readColumns(session, request.table);
      const floats = request.columns.map((name) => request.form === 'common' && isFloat(present.get(name)?.type ?? ''));
      let batch: TextRow[] = [];
      for await (const raw of streamRows(session, selectStatement(request, present))) {
        const row = textRow.parse(raw);
        batch.push(row.map((value, index) => (floats[index] === true && value !== null ? String(Number(value)) : value)));
        if (batch.length < BATCH_ROWS) continue;
        yield batch;
        if (signal.aborted) return;
        batch = [];
      }
      if (batch.length > 0) yield batch;
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
      // A result that was left in its middle would be read to its end by a polite goodbye.
      session.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
  }
}

/** Every value as the text that the server sent. */
function streamRows(session: Connection, sql: string): Readable {
  return coreOf(session)
    .query({ sql, rowsAsArray: true, typeCast: (field) => field.string('utf8') })
    .stream({ highWaterMark: BATCH_ROWS });
}

const columnRow = z.object({ name: z.string(), type: z.string(), digits: z.coerce.number().nullable() });
type PresentColumn = z.output<typeof columnRow>;

async function readColumns(session: Connection, { schema, table }: TableId): Promise<ReadonlyMap<string, PresentColumn>> {
  const columns = await queryRows(
    session,
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type, NUMERIC_PRECISION AS digits FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`,
    [schema, table],
    columnRow,
  );
  return new Map(columns.map((column) => [column.name, column]));
}

function selectStatement(
  { table, columns, form, orderBy, filter }: ReadRequest,
  present: ReadonlyMap<string, PresentColumn>,
): string {
  const textOf = new Map(columns.map((name) => [name, textSql(name, present.get(name), form)]));
  const texts = [...textOf.values()];
  const order =
    orderBy.length > 0
      ? orderBy.flatMap(({ name, order: by }) => {
          const column = `t.${quoteIdentifier(name)}`;
          return nullsLast(column, by === 'integer' ? column : bytewise(textOf.get(name) ?? column));
        })
      : texts.flatMap((text) => nullsLast(text, bytewise(bounded(text))));
  // A key comes whole: rows are matched by it, in its order.
  const keys = new Set(orderBy.map(({ name }) => name));
  const values = [...textOf].map(([name, text]) => (keys.has(name) ? text : bounded(text)));
  const where = filter === null ? '' : ` WHERE ${filterSql(filter, 't')}`;
  return `SELECT ${values.length > 0 ? values.join(', ') : "''"} FROM ${quoteTable(table)} AS t${where}${order.length > 0 ? ` ORDER BY ${order.join(', ')}` : ''}`;
}

function nullsLast(value: string, order: string): readonly string[] {
  return [`${value} IS NULL`, order];
}

const BYTES = /binary$|blob$|^geom|^point$|^linestring$|^polygon$|^multi|^vector$/;
const INTEGERS = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year']);
const FRACTIONS = new Set(['decimal', 'time', 'datetime', 'timestamp']);

/** A value's text in UTF-8, exactly: a FLOAT's own has six digits, a BIT's is bytes. */
function textSql(name: string, present: PresentColumn | undefined, form: ReadRequest['form']): string {
  const column = `t.${quoteIdentifier(name)}`;
  const type = present?.type.toLowerCase() ?? '';
  if (isFloat(type)) return `CONVERT(${column} + 0e0 USING utf8mb4)`;
  if (BYTES.test(type)) return `LOWER(HEX(${column}))`;
  // A ZEROFILL column and a year print leading zeros, which are no part of the number.
  if (INTEGERS.has(type)) return `CONVERT(${column} + 0 USING utf8mb4)`;
  if (type === 'bit') return `LPAD(BIN(${column}), ${present?.digits ?? 1}, '0')`;
  const text = `CONVERT(${column} USING utf8mb4)`;
  return form === 'common' && FRACTIONS.has(type) ? withoutZeros(text) : text;
}

function isFloat(type: string): boolean {
  return type === 'float' || type === 'double';
}

/** `1.50` → `1.5`, `1.00` → `1`, `100` as it is. */
function withoutZeros(text: string): string {
  return `IF(LOCATE('.', ${text}) = 0, ${text}, TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM ${text})))`;
}

function bounded(text: string): string {
  return `CASE WHEN OCTET_LENGTH(${text}) > ${MAX_TEXT_BYTES} THEN CONCAT(OCTET_LENGTH(${text}), ' bytes, SHA-256 ', SHA2(${text}, 256)) ELSE ${text} END`;
}

/** By the bytes of the text, whatever the column's collation is. */
function bytewise(text: string): string {
  return `CAST(${text} AS BINARY)`;
}
