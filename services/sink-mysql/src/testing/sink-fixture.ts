import { type Change, groupOf, JournalScript } from '@millrace/apply/testing/blocks.js';
import type { JournalBlock } from '@millrace/codec/block-reader.js';
import { ChunkRowsBuilder } from '@millrace/codec/chunk-rows.js';
import { writeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { ChunkPart, LoadChunk } from '@millrace/contract/load.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { Row } from '@millrace/contract/row.js';
import type { ApplyResult, ErrorPolicy, SinkState, SinkWriter } from '@millrace/contract/sink.js';
import type { ColumnSchema, TableSchema, TableVersion } from '@millrace/contract/table.js';
import { createMysqlDatabase, type TestDatabase, uniqueWord, withConnection } from '@millrace/testkit/servers.js';
import { z } from 'zod';
import { createMysqlSink } from '../connector.js';
import { table } from './table-schemas.js';

export const LOG_ALL: ErrorPolicy = {
  data: 'LOG_ERROR',
  insertConflict: 'LOG_ERROR',
  updateConflict: 'LOG_ERROR',
  deleteConflict: 'LOG_ERROR',
};

export const ENGINES = ['mariadb', 'mysql'] as const;
export type Engine = (typeof ENGINES)[number];

let registryIds = 500;

export function versionOf(schema: TableSchema): TableVersion {
  return newTableVersion(schema, registryIds++);
}

/** A sink on a database of its own, of a task of its own, with a checkpoint at the beginning of the script's journal. */
export class SinkFixture implements AsyncDisposable {
  readonly script = new JournalScript();
  sink: SinkWriter;
  /** The checkpoint that the target is at, as far as the fixture applied it. */
  at: Checkpoint;
  readonly #sinks: SinkWriter[] = [];

  private constructor(
    readonly engine: Engine,
    readonly database: TestDatabase,
    readonly task: string,
    private readonly policy: ErrorPolicy,
  ) {
    this.sink = this.newSink(database.url);
    this.at = this.script.checkpoint;
  }

  static async open(engine: Engine, policy: ErrorPolicy = LOG_ALL, serverUrl?: string): Promise<SinkFixture> {
    const fixture = new SinkFixture(engine, await createMysqlDatabase(engine, serverUrl), `test-${uniqueWord()}`, policy);
    await fixture.sink.open('definition');
    await fixture.sink.initialize(fixture.at);
    return fixture;
  }

  /** One more sink of the task, as a new process has it; the ones before it are left as they are. */
  async connect(url = this.database.url): Promise<SinkState> {
    this.sink = this.newSink(url);
    return this.sink.open('definition');
  }

  table(name: string, columns: readonly ColumnSchema[], primaryKey: readonly string[]): TableVersion {
    return versionOf(table({ schema: this.database.name, table: name }, columns, { primaryKey }));
  }

  /** Announces a table, which the sink then makes. */
  create(version: TableVersion): Promise<ApplyResult> {
    return this.applyBlocks([this.script.schema(version, { kind: 'version' })]);
  }

  apply(...transactions: readonly (readonly Change[])[]): Promise<ApplyResult> {
    return this.applyBlocks(transactions.map((changes) => this.script.transaction(changes)));
  }

  /** Applies the blocks that were written last as one group. */
  applyBlocks(blocks: readonly JournalBlock[]): Promise<ApplyResult> {
    return this.applyTo(blocks, this.script.checkpoint);
  }

  /** The same for blocks that end at an earlier checkpoint. */
  async applyTo(blocks: readonly JournalBlock[], next: Checkpoint): Promise<ApplyResult> {
    const result = await this.sink.apply(groupOf(blocks, this.at, next), new AbortController().signal);
    this.at = result.checkpoint;
    return result;
  }

  /** Announces a load, prepares it and brings the rows in one chunk. */
  async load(version: TableVersion, rows: readonly Row[], load = '1.1'): Promise<boolean> {
    await this.applyBlocks([this.script.schema(version, { kind: 'load', load, reason: 'a test' })]);
    await this.sink.prepare(version, load, { preparation: 'DO_NOTHING', firstAttempt: 1 });
    return this.sink.load(chunkOf(version, rows, load), new AbortController().signal);
  }

  /** As the server's own texts. */
  rows(sql: string): Promise<readonly (readonly unknown[])[]> {
    return withConnection(this.database.url, async (connection) => {
      await connection.query("SET time_zone = '+00:00'");
      const [rows] = await connection.query({ sql, rowsAsArray: true });
      return z.array(z.array(z.unknown())).parse(rows);
    });
  }

  async run(...statements: readonly string[]): Promise<void> {
    await withConnection(this.database.url, async (connection) => {
      for (const statement of statements) await connection.query(statement);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sink.remove().catch(() => []);
    for (const sink of this.#sinks) await sink[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
  }

  private newSink(url: string): SinkWriter {
    const sink = createMysqlSink({ url, task: this.task, policy: this.policy });
    this.#sinks.push(sink);
    return sink;
  }
}

export function chunkOf(version: TableVersion, rows: readonly Row[], load = '1.1'): LoadChunk {
  const builder = new ChunkRowsBuilder(version);
  for (const row of rows) writeRow(version, row, builder.row());
  const part = builder.take();
  const parts = async function* (): AsyncGenerator<ChunkPart> {
    yield await Promise.resolve(part);
  };
  return {
    load,
    table: version,
    index: 0,
    attempt: 1,
    asOf: { source: 'test', timeline: 1, key: '00' },
    keys: null,
    encoding: 'rows',
    parts: parts(),
  };
}
