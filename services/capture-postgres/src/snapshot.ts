import type { ChunkPart, ChunkSpec, KeyRange, Snapshot, SnapshotTable } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import type { ConnectionSettings } from '@millrace/postgres/connection-url.js';
import { quoteIdentifier, quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { chunkCondition, formatLocator, keyCondition, keyLiteral, parseLocator } from './chunk-locator.js';
import {
  type ChunkAbilities,
  type ChunkSize,
  DEFAULT_CHUNK_SIZE,
  estimatedRows,
  planChunks,
  rowsPerChunk,
} from './chunk-plan.js';
import { copyOut } from './copy-out.js';
import { CopyRowsEncoder } from './copy-rows.js';
import { filterCondition } from './row-filter.js';
import {
  checkUnchanged,
  databaseFacts,
  hasOtherUniqueness,
  relationByName,
  relationStatistics,
  type StoredRelation,
  storedRelations,
} from './snapshot-relations.js';
import { type Lease, SnapshotSessions } from './snapshot-sessions.js';

/** Each part is a record, a request and an answer: smaller ones cost the broker and both workers more than the rows do. */
const PART_BYTES = 1024 * 1024;
const DEFAULT_MAX_SESSIONS = 8;

export interface ExportedSnapshotOptions {
  readonly connection: ConnectionSettings;
  /** The sessions' application_name. */
  readonly applicationName: string;
  /** As CREATE_REPLICATION_SLOT … EXPORT_SNAPSHOT returned it. */
  readonly snapshotName: string;
  /** The slot's consistent point: everything at or below it is in the snapshot, everything above in the stream. */
  readonly position: Position;
  /** `sourceClock` before the slot was made. */
  readonly takenAtMicros: bigint;
  readonly signal: AbortSignal;
  readonly chunkSize?: ChunkSize;
  /** Most sessions that read at once. */
  readonly maxSessions?: number;
}

/**
 * Imports an exported snapshot and exports it anew from a session of its own, so the exporting connection is free
 * (to stream, or to be closed) as soon as this resolves.
 * @throws MillraceError SNAPSHOT_LOST where the exporting session is gone already.
 */
export async function openExportedSnapshot(options: ExportedSnapshotOptions): Promise<Snapshot> {
  const sessions = await SnapshotSessions.open({ ...options, maxSessions: options.maxSessions ?? DEFAULT_MAX_SESSIONS });
  try {
    await using lease = await sessions.lease(options.signal);
    const { version, utf8, bytewiseDefault } = await databaseFacts(lease.client);
    lease.keep();
    const can = { pageRanges: version >= 140_000, bytewiseC: utf8, bytewiseDefault };
    return new PostgresSnapshot(options, sessions, can, options.chunkSize ?? DEFAULT_CHUNK_SIZE);
  } catch (cause) {
    await sessions[Symbol.asyncDispose]();
    throw cause;
  }
}

class PostgresSnapshot implements Snapshot {
  readonly #relations = new Map<string, readonly StoredRelation[] | 'unknown'>();

  readonly position: Position;
  readonly takenAtMicros: bigint;

  constructor(
    { position, takenAtMicros }: ExportedSnapshotOptions,
    private readonly sessions: SnapshotSessions,
    private readonly can: ChunkAbilities,
    private readonly size: ChunkSize,
  ) {
    this.position = position;
    this.takenAtMicros = takenAtMicros;
  }

  async estimate(table: TableId): Promise<{ readonly rows: number; readonly bytes: number }> {
    const all = await this.#statistics(table);
    return { rows: Math.round(sum(all.map(estimatedRows))), bytes: sum(all.map((each) => each.bytes)) };
  }

  async *chunks(table: SnapshotTable, after: ChunkSpec | null, signal: AbortSignal): AsyncGenerator<ChunkSpec, void, undefined> {
    const { schema } = table;
    const relations = await this.#relationsOf(schema.id, signal);
    const last = after === null ? null : { chunk: after, relation: parseLocator(after.locator).relation };
    let index = after === null ? 0 : after.index + 1;
    // A table that the snapshot does not know must not load as an empty one: its one chunk is refused when it is read.
    if (relations === 'unknown') {
      if (after === null) yield { index, locator: formatLocator({ kind: 'all', relation: 0 }), keys: null };
      return;
    }
    for (const relation of relations) {
      if (last !== null && relation.oid < last.relation) continue;
      const resumed = relation.oid === last?.relation ? last.chunk : null;
      for await (const chunk of this.#cut(schema, relation, resumed, signal)) yield { ...chunk, index: index++ };
    }
  }

  async *read(
    table: SnapshotTable,
    version: TableVersion,
    chunk: ChunkSpec,
    signal: AbortSignal,
  ): AsyncGenerator<ChunkPart, void, undefined> {
    const relation = await this.#relationOf(table.schema, chunk, signal);
    const statement = copyStatement(table, relation, chunk);
    const encoder = table.encoding === 'rows' ? new CopyRowsEncoder(version) : null;
    await using lease = await this.sessions.lease(signal);
    try {
      // A lock that a savepoint took goes with it: the source's own DDL waits for one chunk and not for the whole load.
      await lease.client.query('SAVEPOINT chunk');
      for await (const part of copyOut(lease.client, statement, PART_BYTES)) yield encoder === null ? part : encoder.encode(part);
      // The read still holds its lock, so what the catalogue says now is what was read.
      checkUnchanged(table.schema, relation, await this.sessions.outside((client) => relationByName(client, relation)));
      await endSavepoint(lease);
    } catch (cause) {
      signal.throwIfAborted();
      throw await this.#tableError(cause, table.schema, relation);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]();
  }

  async *#cut(
    schema: TableSchema,
    relation: StoredRelation,
    after: ChunkSpec | null,
    signal: AbortSignal,
  ): AsyncGenerator<Omit<ChunkSpec, 'index'>> {
    const { oid } = relation;
    // Leaves overlap in their keys, so only a table that stores its own rows is cut by them.
    const own = relation.schema === schema.id.schema && relation.table === schema.id.table;
    const explain: Explain = (cause) => this.#tableError(cause, schema, relation);
    const plan = await this.#query(
      signal,
      async (client) => {
        const statistics = await relationStatistics(client, relation, schema.primaryKey[0] ?? null);
        const byKeys = own && (!this.can.pageRanges || !(await hasOtherUniqueness(client, relation)));
        const chunks = planChunks(byKeys ? schema : { ...schema, primaryKey: [] }, statistics, this.size, this.can);
        return { statistics, chunks };
      },
      explain,
    );
    if (after !== null) {
      const done = parseLocator(after.locator);
      if (done.kind === 'pages') {
        const perChunk = plan.chunks.kind === 'pages' ? plan.chunks.pagesPerChunk : Math.max(plan.statistics.pages, 1);
        if (done.to !== null) yield* cutPages(oid, done.to, plan.statistics.pages, perChunk);
      } else if (after.keys?.to != null) {
        yield* this.#cutKeys(
          schema,
          relation,
          { ...after.keys, from: after.keys.to, to: null },
          rowsPerChunk(plan.statistics, this.size),
          signal,
        );
      }
    } else if (plan.chunks.kind === 'all') {
      yield {
        locator: formatLocator({ kind: plan.chunks.keys === null ? 'all' : 'keys', relation: oid }),
        keys: plan.chunks.keys,
      };
    } else if (plan.chunks.kind === 'keys') {
      yield* this.#cutKeys(schema, relation, plan.chunks.keys, plan.chunks.rowsPerChunk, signal);
    } else {
      yield* cutPages(oid, 0, plan.statistics.pages, plan.chunks.pagesPerChunk);
    }
  }

  /** Walks the key's index in the snapshot, one boundary per chunk. */
  async *#cutKeys(
    schema: TableSchema,
    relation: StoredRelation,
    keys: KeyRange,
    rows: number,
    signal: AbortSignal,
  ): AsyncGenerator<Omit<ChunkSpec, 'index'>> {
    const locator = formatLocator({ kind: 'keys', relation: relation.oid });
    const explain: Explain = (cause) => this.#tableError(cause, schema, relation);
    let { from } = keys;
    for (;;) {
      const to = await this.#query(signal, (client) => keyAfter(client, schema, relation, { ...keys, from }, rows), explain);
      yield { locator, keys: { ...keys, from, to } };
      if (to === null) return;
      from = to;
    }
  }

  async #statistics(table: TableId): Promise<readonly Awaited<ReturnType<typeof relationStatistics>>[]> {
    const { signal } = new AbortController();
    const relations = await this.#relationsOf(table, signal);
    if (relations === 'unknown') return [];
    return await this.#query(signal, async (client) => {
      const all = [];
      for (const relation of relations) all.push(await relationStatistics(client, relation, null));
      return all;
    });
  }

  async #relationsOf(table: TableId, signal: AbortSignal): Promise<readonly StoredRelation[] | 'unknown'> {
    const name = quoteTable(table);
    const known = this.#relations.get(name);
    if (known !== undefined) return known;
    const relations = await this.#query(signal, (client) => storedRelations(client, table));
    this.#relations.set(name, relations);
    return relations;
  }

  async #relationOf(schema: TableSchema, chunk: ChunkSpec, signal: AbortSignal): Promise<StoredRelation> {
    const { relation: oid } = parseLocator(chunk.locator);
    const relations = await this.#relationsOf(schema.id, signal);
    const relation = relations === 'unknown' ? undefined : relations.find((each) => each.oid === oid);
    if (relation !== undefined) return relation;
    throw new MillraceError('TABLE_REWRITTEN', {
      ...named(schema),
      change: 'it was not there, or was another table, when the snapshot was taken',
    });
  }

  /** Runs queries inside the snapshot on a session of the pool; their locks end with them. */
  async #query<T>(
    signal: AbortSignal,
    run: (client: Client) => Promise<T>,
    explain: Explain = (cause) => this.sessions.explain(cause, 'cutting a table into chunks'),
  ): Promise<T> {
    await using lease = await this.sessions.lease(signal);
    try {
      await lease.client.query('SAVEPOINT chunk');
      const result = await run(lease.client);
      await endSavepoint(lease);
      return result;
    } catch (cause) {
      signal.throwIfAborted();
      throw await explain(cause);
    }
  }

  /** What it means that a statement on the relation failed. */
  async #tableError(cause: unknown, schema: TableSchema, relation: StoredRelation): Promise<unknown> {
    const { table } = named(schema);
    const error = await this.sessions.explain(cause, `reading ${table}`);
    if (cause instanceof MillraceError || (error instanceof MillraceError && !REFUSED.has(error.code))) return error;
    const state = sqlStateOf(cause) ?? 'none';
    // The statement was planned with the present catalogue, not with the snapshot's: a table that has changed since explains any refusal.
    if (UNDEFINED.has(state))
      return new MillraceError('TABLE_REWRITTEN', { table, change: 'it or a column of it was dropped or renamed' }, { cause });
    try {
      checkUnchanged(schema, relation, await this.sessions.outside((client) => relationByName(client, relation)));
    } catch (changed) {
      return await this.sessions.explain(changed, `reading ${table}`);
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new MillraceError(PASSING.test(state) ? 'TABLE_BUSY' : 'TABLE_UNREADABLE', { table, reason, state }, { cause });
  }
}

type Explain = (cause: unknown) => Promise<unknown>;

/** The server's refusals of a statement, as queryError names them. */
const REFUSED: ReadonlySet<string> = new Set(['SOURCE_QUERY_FAILED', 'SOURCE_RIGHTS', 'SOURCE_TABLE_LOCKED']);
/** Undefined table and column. */
const UNDEFINED: ReadonlySet<string> = new Set(['42P01', '42703']);
/** Rolled back, no resources, lock not available, query cancelled (PostgreSQL manual, Appendix A). */
const PASSING = /^(40|53)|^(55P03|57014)$/;

async function endSavepoint(lease: Lease): Promise<void> {
  await lease.client.query('ROLLBACK TO SAVEPOINT chunk; RELEASE SAVEPOINT chunk');
  lease.keep();
}

/** First key that lies at least `rows` rows behind the range's beginning, and behind its first value; null where there is none. */
async function keyAfter(
  client: Client,
  schema: TableSchema,
  relation: StoredRelation,
  keys: KeyRange,
  rows: number,
): Promise<string | null> {
  const column = quoteIdentifier(keys.column);
  const next = async (condition: string | null, offset: number): Promise<string | null> => {
    const where = condition === null ? '' : ` WHERE ${condition}`;
    const found = await client.query<{ readonly key: string }>(
      `SELECT ${column}::text AS key FROM ONLY ${quoteTable(relation)}${where} ORDER BY ${column} OFFSET ${offset} LIMIT 1`,
    );
    return found.rows[0]?.key ?? null;
  };
  const to = await next(keyCondition(keys, schema), rows);
  // One first value of a longer key fills the chunk and more: it stays whole.
  return to !== null && to === keys.from ? await next(`${column} > ${keyLiteral(to, keys, schema)}`, 0) : to;
}

function* cutPages(relation: number, first: number, pages: number, pagesPerChunk: number): Generator<Omit<ChunkSpec, 'index'>> {
  let from = first;
  while (from + pagesPerChunk < pages) {
    yield { locator: formatLocator({ kind: 'pages', relation, from, to: from + pagesPerChunk }), keys: null };
    from += pagesPerChunk;
  }
  // Open at its end: the file may have grown since its size was read.
  yield { locator: formatLocator({ kind: 'pages', relation, from, to: null }), keys: null };
}

/** Generated columns are left out: the stream does not carry them either, and a sink never writes them. */
function copyStatement(table: SnapshotTable, relation: StoredRelation, chunk: ChunkSpec): string {
  const columns = table.schema.columns
    .filter((column) => column.generated === null)
    .map((column) => quoteIdentifier(column.name));
  const conditions = [
    chunkCondition(chunk, table.schema),
    table.filter === null ? null : `(${filterCondition(table.filter, table.schema)})`,
  ].filter((condition) => condition !== null);
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  return `COPY (SELECT ${columns.join(', ')} FROM ONLY ${quoteTable(relation)}${where}) TO STDOUT`;
}

function named(schema: TableSchema): { readonly table: string } {
  return { table: `${schema.id.schema}.${schema.id.table}` };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
