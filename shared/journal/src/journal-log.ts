import type { JournalBlock, ParsedBlock } from '@millrace/codec/block-reader.js';
import { decodeRecord, type JournalSchemaIds } from '@millrace/codec/journal-record.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { KafkaRecord, PartitionReader } from './kafka/partition-reader.js';
import { inParallel } from './registry/in-parallel.js';
import type { Registry } from './registry/registry.js';
import type { LogBounds } from './rules/reader-rules.js';
import type { BlockRecordHeader, TakeoverHeader } from './rules/record-header.js';

/** Kafka record header of a block: offset of the last block before it that tells of tables (Schema events or TABLES_HEADER), -1 for none. */
export const SCHEMAS_HEADER = 'millrace-schemas';
/** Kafka record header of some blocks: every table version in force before the block's events, so that nothing older need be read. */
export const TABLES_HEADER = 'millrace-tables';

export type LogRecord = { readonly kind: 'takeover'; readonly header: TakeoverHeader; readonly byteLength: number } | LogBlock;

export interface LogBlock {
  readonly kind: 'block';
  readonly header: BlockRecordHeader;
  readonly block: JournalBlock;
  /** Where the last block before this one lies that tells of tables, by Schema events or a list; -1: none. */
  readonly schemasBefore: bigint;
  /** Every table version in force before the block; null in most, which list none. */
  readonly tablesBefore: readonly TableReference[] | null;
  readonly byteLength: number;
}

export interface JournalLogOptions {
  readonly reader: PartitionReader;
  readonly topic: string;
  readonly ids: JournalSchemaIds;
  readonly registry: Registry;
}

/** The journal's records as they lie in the log, decoded, in force or not: the reader's rules are its user's. */
export class JournalLog implements AsyncDisposable {
  readonly #options: JournalLogOptions;

  constructor(options: JournalLogOptions) {
    this.#options = options;
  }

  get topic(): string {
    return this.#options.topic;
  }

  bounds(signal?: AbortSignal): Promise<LogBounds> {
    return this.#options.reader.bounds(signal);
  }

  /** @throws MillraceError JOURNAL_TRIMMED, JOURNAL_TRUNCATED */
  check(offset: bigint, signal?: AbortSignal): Promise<LogBounds> {
    return this.#options.reader.check(offset, signal);
  }

  /** Waits until the log holds a record at this offset. */
  arrival(offset: bigint, signal: AbortSignal): Promise<void> {
    return this.#options.reader.arrival(offset, signal);
  }

  /** Records `[from, to)`; the caller keeps the span small. */
  async range(from: bigint, to: bigint, signal?: AbortSignal): Promise<LogRecord[]> {
    const all: LogRecord[] = [];
    for await (const records of this.#options.reader.range(from, to, signal)) all.push(...(await this.#decode(records, signal)));
    return all;
  }

  /** Records from an offset on, for ever. */
  async *follow(from: bigint, signal: AbortSignal): AsyncGenerator<readonly LogRecord[]> {
    for await (const records of this.#options.reader.follow(from, signal)) yield await this.#decode(records, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.reader[Symbol.asyncDispose]();
  }

  async #decode(records: readonly KafkaRecord[], signal?: AbortSignal): Promise<LogRecord[]> {
    const { ids, reader } = this.#options;
    const decoded = records.map((record) => ({
      record,
      content: decodeRecord(record.value, record.offset, ids, reader.place(record.offset)),
    }));
    const blocks = decoded.flatMap(({ content }) => (content.kind === 'block' ? [content] : []));
    await this.#fetchVersions(blocks, signal);
    return decoded.map(({ record, content }): LogRecord => {
      const byteLength = record.value.length;
      if (content.kind === 'takeover') return { kind: 'takeover', header: content, byteLength };
      const block = content.resolve((id, fingerprint) => this.#version(id, fingerprint, content.offset));
      const where = reader.place(record.offset);
      return {
        kind: 'block',
        header: content,
        block,
        schemasBefore: schemasBefore(record, where),
        tablesBefore: tablesBefore(record, where),
        byteLength,
      };
    });
  }

  /** The versions that a block's list names, in its order. */
  async listed(references: readonly TableReference[], signal?: AbortSignal): Promise<readonly TableVersion[]> {
    return inParallel(references, ({ registryId, fingerprint }) =>
      this.#options.registry.version(registryId, fingerprint, signal),
    );
  }

  /** Versions not met before, several at a time. */
  async #fetchVersions(blocks: readonly ParsedBlock[], signal?: AbortSignal): Promise<void> {
    const { registry } = this.#options;
    const missing = new Map<number, string>();
    for (const { references } of blocks) {
      for (const { registryId, fingerprint } of references) {
        if (registry.cached(registryId) === undefined) missing.set(registryId, fingerprint);
      }
    }
    if (missing.size === 0) return;
    await inParallel([...missing], ([id, fingerprint]) => registry.version(id, fingerprint, signal));
  }

  #version(id: number, fingerprint: string, offset: bigint): TableVersion {
    const version = this.#options.registry.cached(id);
    if (version?.fingerprint === fingerprint) return version;
    const what = `it names schema ${id} with fingerprint ${fingerprint}, the registry's has ${version?.fingerprint ?? 'none'}`;
    throw new MillraceError('JOURNAL_INCONSISTENT', { topic: this.#options.topic, offset, what });
  }
}

/** Names a table version in the registry. */
export interface TableReference {
  readonly registryId: number;
  readonly fingerprint: string;
}

export function tablesHeader(tables: Iterable<TableReference>): string {
  return [...tables].map(({ registryId, fingerprint }) => `${registryId}:${fingerprint}`).join();
}

function tablesBefore(record: KafkaRecord, where: string): readonly TableReference[] | null {
  const text = record.header(TABLES_HEADER);
  if (text === undefined) return null;
  if (text === '') return [];
  return text.split(',').map((reference) => {
    const [, id, fingerprint] = /^(\d{1,10}):([0-9a-f]{1,64})$/.exec(reference) ?? [];
    if (id === undefined || fingerprint === undefined)
      throw new MillraceError('RECORD_FOREIGN', {
        where,
        what: `its header ${TABLES_HEADER} holds ${JSON.stringify(reference)}`,
      });
    return { registryId: Number(id), fingerprint };
  });
}

function schemasBefore(record: KafkaRecord, where: string): bigint {
  const text = record.header(SCHEMAS_HEADER);
  if (text !== undefined && /^(-1|\d{1,18})$/.test(text)) return BigInt(text);
  throw new MillraceError('RECORD_FOREIGN', { where, what: `it has no header ${SCHEMAS_HEADER}` });
}
