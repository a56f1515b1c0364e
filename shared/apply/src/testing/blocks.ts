import { BlockBuilder } from '@millrace/codec/block-builder.js';
import { decodeBlock, type JournalBlock } from '@millrace/codec/block-reader.js';
import { writeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { SchemaChange } from '@millrace/contract/events.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { Row } from '@millrace/contract/row.js';
import type { Coverage, TransactionGroup } from '@millrace/contract/sink.js';
import type { ColumnSchema, LogicalType, TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';

/** A change as an object, for tests to write down. */
export type Change =
  | { readonly kind: 'insert'; readonly table: TableVersion; readonly after: Row }
  | { readonly kind: 'update'; readonly table: TableVersion; readonly before?: Row; readonly after: Row }
  | { readonly kind: 'delete'; readonly table: TableVersion; readonly before: Row }
  | { readonly kind: 'truncate'; readonly tables: readonly TableVersion[]; readonly restartIdentity?: boolean }
  | { readonly kind: 'schema'; readonly table: TableVersion; readonly change: SchemaChange };

export interface ColumnSketch {
  readonly name: string;
  readonly type: LogicalType;
  /** Declaration in PostgreSQL. */
  readonly declaration: string;
  readonly identity?: ColumnSchema['identity'];
  readonly generated?: string;
  readonly nullable?: boolean;
}

let registryIds = 100;

/** A table version with a registry id of its own. */
export function tableVersion(
  id: TableId,
  columns: readonly ColumnSketch[],
  key: readonly string[],
  identity?: Partial<TableSchema>,
): TableVersion {
  const schema: TableSchema = {
    id,
    columns: columns.map((column, index) => ({
      name: column.name,
      ordinal: index + 1,
      type: column.type,
      native: { engine: 'postgresql', schema: 'pg_catalog', name: column.declaration, declaration: column.declaration },
      nullable: column.nullable ?? !key.includes(column.name),
      generated: column.generated ?? null,
      identity: column.identity ?? 'none',
      default: null,
      missingValue: null,
      collation: null,
    })),
    primaryKey: key,
    primaryKeyName: key.length === 0 ? null : `${id.table}_pkey`,
    identityColumns: key,
    replicaIdentity: key.length === 0 ? 'full' : 'key',
    types: [],
    extensions: [],
    ...identity,
  };
  return newTableVersion(schema, registryIds++);
}

export function position(lsn: number): Position {
  return { source: 'test', timeline: 1, key: lsn.toString(16).padStart(16, '0') };
}

/** Writes transactions into blocks of one transaction each; LSNs go up by 10. */
export class JournalScript {
  lsn = 0;
  private offset = 0n;
  private seq = -1n;
  private after: Position | null = null;
  private readonly builder = new BlockBuilder();
  private readonly versions = new Map<number, TableVersion>();

  get checkpoint(): Checkpoint {
    return { journal: 'journal-1', epoch: 0n, seq: this.seq, nextOffset: this.offset, position: this.after };
  }

  transaction(changes: readonly Change[]): JournalBlock {
    this.builder.begin('1');
    for (const change of changes) this.write(change);
    this.lsn += 10;
    this.builder.commit(position(this.lsn), eventCount(changes), 1_700_000_000_000_000n);
    return this.seal(null);
  }

  /** One transaction in slices of so many changes. */
  slices(changes: readonly Change[], size: number): JournalBlock[] {
    const blocks: JournalBlock[] = [];
    const first = this.offset;
    const parts: (readonly Change[])[] = [];
    for (let at = 0; at < changes.length; at += size) parts.push(changes.slice(at, at + size));
    if (parts.length < 2) parts.push([]);
    this.builder.begin('1');
    const start = this.after;
    parts.forEach((part, index) => {
      for (const change of part) this.write(change);
      const last = index === parts.length - 1;
      if (last) {
        this.lsn += 10;
        this.builder.commit(position(this.lsn), eventCount(changes), 1_700_000_000_000_000n);
      }
      this.after = start;
      blocks.push(this.seal({ index, first: index === 0 ? -1n : first, last }));
    });
    this.after = position(this.lsn);
    return blocks;
  }

  schema(table: TableVersion, change: SchemaChange): JournalBlock {
    this.write({ kind: 'schema', table, change });
    return this.seal(null);
  }

  progress(): JournalBlock {
    this.lsn += 10;
    this.builder.progress(position(this.lsn));
    const block = this.seal(null);
    this.after = position(this.lsn);
    return block;
  }

  private write(change: Change): void {
    switch (change.kind) {
      case 'insert':
        writeRow(this.known(change.table), change.after, this.builder.insert(change.table));
        return;
      case 'update': {
        const writer = this.builder.update(this.known(change.table), change.before !== undefined);
        if (change.before !== undefined) writeRow(change.table, change.before, writer);
        writeRow(change.table, change.after, writer);
        return;
      }
      case 'delete':
        writeRow(this.known(change.table), change.before, this.builder.delete(change.table));
        return;
      case 'truncate':
        this.builder.truncate(
          change.tables.map((table) => this.known(table)),
          { cascade: false, restartIdentity: change.restartIdentity ?? false },
        );
        return;
      case 'schema':
        this.builder.schema(this.known(change.table), change.change);
    }
  }

  private known(table: TableVersion): TableVersion {
    this.versions.set(table.registryId, table);
    return table;
  }

  private seal(slice: { readonly index: number; readonly first: bigint; readonly last: boolean } | null): JournalBlock {
    const after = this.after;
    this.seq++;
    const framed = this.builder.seal(
      {
        journal: 'journal-1',
        epoch: 0n,
        seq: this.seq,
        prev: this.offset - 1n,
        source: 'test',
        timeline: 1,
        after,
        slice,
        clock: null,
      },
      1,
    );
    const block = decodeBlock(framed, this.offset, (id) => {
      const table = this.versions.get(id);
      if (table === undefined) throw new Error(`no table ${id}`);
      return table;
    });
    this.offset++;
    if (slice === null) this.after = this.lsn === 0 ? null : position(this.lsn);
    return block;
  }
}

function eventCount(changes: readonly Change[]): number {
  return changes.filter((change) => change.kind !== 'schema').length;
}

/** The blocks as a group that starts from `from` and ends at the script's checkpoint. */
export function groupOf(
  blocks: readonly JournalBlock[],
  from: Checkpoint,
  next: Checkpoint,
  coverage: (table: TableId) => Coverage | null = () => null,
): TransactionGroup {
  return {
    large: blocks.some((block) => block.slice !== null),
    blocks: (async function* () {
      yield* blocks;
    })(),
    from,
    next: () => next,
    coverage,
  };
}
