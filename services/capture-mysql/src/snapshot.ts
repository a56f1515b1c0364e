import { ChunkRowsBuilder } from '@millrace/codec/chunk-rows.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { ChunkPart, ChunkSpec, KeyRange, Snapshot, SnapshotTable } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession, connect } from '@millrace/mysql/connect.js';
import { errorNumberOf } from '@millrace/mysql/connect-error.js';
import type { ConnectionSettings } from '@millrace/mysql/connection-url.js';
import { quoteIdentifier, quoteTable } from '@millrace/mysql/quote-identifier.js';
import { queryRows, type Server } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import type { Attachment } from './attach.js';
import { plainDeclaration } from './catalog/column-type.js';
import { describeTables } from './catalog/describe-tables.js';
import type { ChangedTables } from './changed-tables.js';
import { positionKey } from './position.js';
import { queryError } from './query-error.js';
import { filterCondition } from './row-filter.js';
import { queryPackets } from './row-stream.js';
import { readServer } from './server-log.js';
import { lost, SnapshotSessions } from './snapshot-sessions.js';
import { selectList, TextRowReader } from './text-row.js';

/** Each part is a record, a request and an answer: smaller ones cost the broker and both workers more than the rows do. */
const PART_BYTES = 1024 * 1024;
const CHUNK_ROWS = 50_000;
const WHOLE_TABLE = 'all';
const BY_KEYS = 'keys';

export interface SnapshotOptions {
  readonly connection: ConnectionSettings;
  readonly attachment: Attachment;
  /** What is to be read. */
  readonly tables: readonly TableId[];
  readonly signal: AbortSignal;
  readonly chunkRows?: number;
}

const clockRow = z.object({ micros: z.string() });

/** A consistent view of all tables at one place of the log. @throws MillraceError SOURCE_SNAPSHOT_POSITION, SOURCE_MOVED */
export async function openSnapshot({ connection, attachment, tables, signal, chunkRows }: SnapshotOptions): Promise<Snapshot> {
  const { identity, server, source, failovers, changed } = attachment;
  const applicationName = `millrace:${identity.task}:load`;
  const session = await connect(connection, { applicationName, settings: {}, signal });
  let takenAtMicros: bigint;
  try {
    const found = await readServer(session);
    if (found.identity !== server.identity)
      throw new MillraceError('SOURCE_MOVED', { found: found.identity, expected: server.identity });
    // The log tells times by the second only where it has no others.
    const [row] = await queryRows(session, 'SELECT CAST(UNIX_TIMESTAMP() AS CHAR) AS micros', [], clockRow);
    takenAtMicros = BigInt(row?.micros ?? 0) * 1_000_000n;
  } finally {
    await closeSession(session);
  }
  const sessions = await SnapshotSessions.open({ connection, applicationName, server, tables, signal });
  const { file, offset, base, gtids } = sessions.end;
  const key = positionKey({ failovers, file, offset, rest: { base, server: server.identity, gtids } });
  return new MysqlSnapshot({ source, timeline: 0, key }, takenAtMicros, {
    sessions,
    server,
    changed,
    chunkRows: chunkRows ?? CHUNK_ROWS,
  });
}

const sizeRow = z.object({ rows: z.coerce.number().nullable(), bytes: z.coerce.number().nullable() });
const keyRow = z.object({ key: z.coerce.string() });

interface SnapshotParts {
  readonly sessions: SnapshotSessions;
  readonly server: Server;
  readonly changed: ChangedTables;
  readonly chunkRows: number;
}

class MysqlSnapshot implements Snapshot {
  constructor(
    readonly position: Position,
    readonly takenAtMicros: bigint,
    private readonly parts: SnapshotParts,
  ) {}

  async estimate({ schema, table }: TableId): Promise<{ readonly rows: number; readonly bytes: number }> {
    const [row] = await this.#query(null, new AbortController().signal, (session) =>
      queryRows(
        session,
        'SELECT TABLE_ROWS AS `rows`, DATA_LENGTH AS bytes FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
        [schema, table],
        sizeRow,
      ),
    );
    return { rows: row?.rows ?? 0, bytes: row?.bytes ?? 0 };
  }

  async *chunks(table: SnapshotTable, after: ChunkSpec | null, signal: AbortSignal): AsyncGenerator<ChunkSpec, void, undefined> {
    const keys = keyRangeOf(table.schema);
    let index = after === null ? 0 : after.index + 1;
    if (keys === null) {
      if (after === null) yield { index, locator: WHOLE_TABLE, keys: null };
      return;
    }
    let from: string | null = null;
    if (after !== null) {
      from = after.keys?.to ?? null;
      if (from === null) return;
    }
    for (;;) {
      const range: KeyRange = { ...keys, from };
      const to = await this.#query(table.schema, signal, (session) =>
        keyAfter(session, table.schema, range, this.parts.chunkRows),
      );
      yield { index: index++, locator: BY_KEYS, keys: { ...range, to } };
      if (to === null) return;
      from = to;
    }
  }

  async *read(
    table: SnapshotTable,
    version: TableVersion,
    chunk: ChunkSpec,
    signal: AbortSignal,
  ): AsyncGenerator<ChunkPart, void, undefined> {
    if (chunk.locator !== WHOLE_TABLE && chunk.locator !== BY_KEYS)
      throw new MillraceError('SOURCE_CHUNK_UNREADABLE', { locator: chunk.locator });
    const reader = new TextRowReader(version.schema);
    const builder = new ChunkRowsBuilder(version);
    await using lease = await this.parts.sessions.lease(signal);
    try {
      // The lock on the table's definition goes with the savepoint: the source's own DDL waits for one chunk and not for the whole load.
      await lease.session.query('SAVEPOINT chunk');
      await this.#requireColumns(lease.session, version.schema);
      for await (const rows of queryPackets(lease.session, selectOf(table, version.schema, chunk), signal)) {
        for (const row of rows) {
          reader.write(row, builder.row());
          if (builder.byteLength >= PART_BYTES) yield builder.take();
        }
      }
      const last = builder.take();
      if (last.rows > 0) yield last;
      await lease.session.query('ROLLBACK TO SAVEPOINT chunk');
      lease.keep();
    } catch (cause) {
      signal.throwIfAborted();
      throw tableError(cause, table.schema.id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.sessions[Symbol.asyncDispose]();
  }

  /**
   * The table's columns must be those of the version: it may be of an earlier place of the log than the snapshot.
   * @throws MillraceError TABLE_REWRITTEN
   */
  async #requireColumns(session: Connection, version: TableSchema): Promise<void> {
    const { server, changed } = this.parts;
    // Whatever reads the table holds its definition as it is until the savepoint.
    await session.query(`SELECT 1 FROM ${quoteTable(version.id)} LIMIT 0`);
    const [now] = await describeTables(session, server, [version.id]);
    if (now !== undefined && sameColumns(version, now)) return;
    changed.note(version.id);
    throw new MillraceError('TABLE_REWRITTEN', {
      table: displayTable(version.id),
      change: 'its columns are newer than the load',
    });
  }

  async #query<T>(schema: TableSchema | null, signal: AbortSignal, run: (session: Connection) => Promise<T>): Promise<T> {
    await using lease = await this.parts.sessions.lease(signal);
    try {
      await lease.session.query('SAVEPOINT chunk');
      const result = await run(lease.session);
      await lease.session.query('ROLLBACK TO SAVEPOINT chunk');
      lease.keep();
      return result;
    } catch (cause) {
      signal.throwIfAborted();
      throw schema === null ? sessionError(queryError(cause, 'estimating a table')) : tableError(cause, schema.id);
    }
  }
}

function sameColumns(version: TableSchema, now: TableSchema): boolean {
  const shape = ({ columns }: TableSchema): string =>
    columns
      .map(({ name, native, collation, generated }) =>
        JSON.stringify([name, plainDeclaration(native.declaration), collation, generated !== null]),
      )
      .sort()
      .join();
  return shape(version) === shape(now);
}

/** The first key column's whole range, where its order is the integers'. */
function keyRangeOf({ primaryKey, columns }: TableSchema): KeyRange | null {
  const [first] = primaryKey;
  const column = columns.find(({ name }) => name === first);
  return column?.type.kind === 'integer' ? { column: column.name, order: 'integer', from: null, to: null } : null;
}

/** First key that lies at least `rows` rows behind the range's beginning, and behind its first value; null where there is none. */
async function keyAfter(session: Connection, { id }: TableSchema, keys: KeyRange, rows: number): Promise<string | null> {
  const column = quoteIdentifier(keys.column);
  const next = async (condition: string | null, offset: number): Promise<string | null> => {
    const where = condition === null ? '' : ` WHERE ${condition}`;
    const [found] = await queryRows(
      session,
      `SELECT ${column} AS \`key\` FROM ${quoteTable(id)}${where} ORDER BY ${column} LIMIT 1 OFFSET ${offset}`,
      [],
      keyRow,
    );
    return found === undefined ? null : integer(found.key);
  };
  const to = await next(keyCondition(keys), rows);
  // One first value of a longer key fills the chunk and more: it stays whole.
  return to !== null && to === keys.from ? await next(`${column} > ${to}`, 0) : to;
}

function keyCondition({ column, from, to }: KeyRange): string | null {
  const name = quoteIdentifier(column);
  const bounds = [
    ...(from === null ? [] : [`${name} >= ${integer(from)}`]),
    ...(to === null ? [] : [`${name} < ${integer(to)}`]),
  ];
  return bounds.length === 0 ? null : bounds.join(' AND ');
}

/** A key's text, without the zeros that ZEROFILL shows. */
function integer(text: string): string {
  if (!/^-?\d{1,20}$/.test(text)) throw new MillraceError('SOURCE_CHUNK_UNREADABLE', { locator: `a key ${text}` });
  return BigInt(text).toString();
}

/** The version says which columns; the primary key's order lets a chunk be read along its pages. */
function selectOf({ schema, filter }: SnapshotTable, version: TableSchema, { keys }: ChunkSpec): string {
  const conditions = [
    keys === null ? null : keyCondition(keys),
    filter === null ? null : `(${filterCondition(filter, schema)})`,
  ].filter((condition) => condition !== null);
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  return `SELECT ${selectList(version)} FROM ${quoteTable(schema.id)}${where}`;
}

/** ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR, ER_BAD_DB_ERROR, ER_TABLE_DEF_CHANGED: the table is not what the snapshot has. */
const CHANGED = new Set([1146, 1054, 1049, 1412]);
/** ER_OUTOFMEMORY, ER_OUT_OF_SORTMEMORY, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_QUERY_INTERRUPTED, ER_QUERY_TIMEOUT, ER_STATEMENT_TIMEOUT */
const PASSING = new Set([1037, 1038, 1205, 1213, 1317, 3024, 1969]);

function tableError(cause: unknown, id: TableId): unknown {
  if (cause instanceof MillraceError) return sessionError(cause);
  const number = errorNumberOf(cause);
  const table = displayTable(id);
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (number !== null && CHANGED.has(number)) return new MillraceError('TABLE_REWRITTEN', { table, change: reason }, { cause });
  if (number !== null && PASSING.has(number)) return new MillraceError('TABLE_BUSY', { table, reason, state: number }, { cause });
  const error = queryError(cause, `reading ${table}`);
  if (number === null || error.code === 'SOURCE_CONNECTION_LOST') return sessionError(error);
  return new MillraceError('TABLE_UNREADABLE', { table, reason, state: number }, { cause });
}

/** A session is a part of the snapshot that nobody can join again. */
function sessionError(error: MillraceError): MillraceError {
  return error.code === 'SOURCE_CONNECTION_LOST' ? lost(error.message, error) : error;
}
