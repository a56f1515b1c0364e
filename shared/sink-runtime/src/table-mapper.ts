import type { JournalBlock } from '@millrace/codec/block-reader.js';
import {
  BlockRemapper,
  type ChangeOrigin,
  type ChunkMapping,
  mapChunkPart,
  type RowChange,
  type TableMapping as VersionMapping,
} from '@millrace/codec/mapped-block.js';
import type { EventBlock } from '@millrace/contract/events.js';
import type { ChunkEncoding, ChunkPart, KeyRange } from '@millrace/contract/load.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import type { RowChange as MappedChange, RowOrigin } from '@millrace/mapping/row-change.js';
import type { TableMapping } from '@millrace/mapping/rule.js';
import { createTableMapper, type TableMapper as RuleMapper, type MappedTable as Rules } from '@millrace/mapping/table-mapper.js';
import type { MapperSupport } from '@millrace/mapping/transform/support.js';

/** Row events of a block have numbers below it: a slice holds about 1 MB, a row event three bytes at least. */
const ROWS_PER_BLOCK = 1_000_000n;

/** A table as the target sees it, and how its loaded rows get there. */
export interface MappedTable {
  readonly version: TableVersion;
  /** A range of a key column under the column's name in the target. */
  mapKeys(keys: KeyRange): KeyRange;
  /** `takenAtMicros`: of the snapshot that the parts were read in; null where it is not known. */
  mapParts(parts: LoadedParts): AsyncIterable<ChunkPart>;
}

export interface LoadedParts {
  readonly encoding: ChunkEncoding;
  readonly takenAtMicros: bigint | null;
  readonly parts: AsyncIterable<ChunkPart>;
}

interface Known {
  readonly rules: Rules;
  readonly mapping: VersionMapping & { readonly version: TableVersion };
}

/** Applies a task's table mappings to what comes from the journal and the load topic. One per reader. */
export class TableMapper {
  readonly #rules: RuleMapper;
  readonly #known = new WeakMap<TableVersion, Known>();
  readonly #remapper: BlockRemapper;

  constructor(mapping: TableMapping, supports?: MapperSupport) {
    this.#rules = createTableMapper(mapping, supports);
    this.#remapper = new BlockRemapper((version) => this.#of(version).mapping);
  }

  /** The table as it is to be in the target. */
  target(schema: TableSchema): TableSchema {
    return this.#rules.preview(schema).target;
  }

  /** True where the table's loaded rows go through a rule, so that no engine's own bulk format will do. */
  changesRows(schema: TableSchema): boolean {
    return this.#rules.preview(schema).kind === 'rows';
  }

  mapBlock(block: JournalBlock): EventBlock {
    if (block.schemaCount > 0) this.#followNames(block);
    return this.#remapper.remap(block);
  }

  /** Target names are taken and freed in the order of the Schema events: a later table may have a dropped one's. */
  #followNames(block: JournalBlock): void {
    const events = block.events();
    for (let kind = events.next(); kind !== undefined; kind = events.next()) {
      if (kind !== 'schema') continue;
      const { table, change } = events;
      // Compiled first: met for the first time only when its events are mapped, it would take the name again.
      this.#of(table);
      if (change.kind === 'dropped') this.#rules.forget(table.source);
      else this.#rules.mapTable(table.schema);
    }
  }

  map(version: TableVersion): MappedTable {
    const { rules, mapping } = this.#of(version);
    return {
      version: mapping.version,
      mapKeys: (keys) => {
        const ordinal = version.schema.columns.find(({ name }) => name === keys.column)?.ordinal;
        const target = mapping.version.schema.columns.find((column) => column.ordinal === ordinal);
        invariant(target !== undefined, `${keys.column}, by which chunks are cut, is a column of the target`);
        return { ...keys, column: target.name };
      },
      // Loaded rows come filtered by the source; only rules that change rows are left to apply.
      mapParts: ({ encoding, takenAtMicros, parts }) => {
        if (encoding !== 'rows' || rules.kind !== 'rows') return parts;
        const origin: RowOrigin | null = takenAtMicros === null ? null : { phase: 'load', timeMicros: takenAtMicros };
        return mapRows(parts, { from: version, to: mapping.version, map: (row) => rules.mapRow(row, origin) });
      },
    };
  }

  #of(version: TableVersion): Known {
    const known = this.#known.get(version) ?? this.#compile(version);
    this.#known.set(version, known);
    return known;
  }

  #compile(version: TableVersion): Known {
    const rules = this.#rules.mapTable(version.schema);
    const target: TableVersion = rules.kind === 'identity' ? version : { ...version, schema: rules.target };
    if (rules.kind !== 'rows' && rules.filter === null) return { rules, mapping: { kind: 'rename', version: target } };
    const map = (change: RowChange, origin: ChangeOrigin): RowChange | null => {
      const mapped = rules.mapChange(
        { kind: change.kind, before: 'before' in change ? change.before : null, after: 'after' in change ? change.after : null },
        originOf(origin),
      );
      return mapped === null ? null : toRowChange(mapped);
    };
    return { rules, mapping: { kind: 'rows', version: target, map } };
  }
}

function originOf({ transactionId, commit, block, row }: ChangeOrigin): RowOrigin | null {
  if (commit === null || block.clock === null) return null;
  const place = BigInt(row);
  invariant(place < ROWS_PER_BLOCK, 'a block holds fewer than a million rows');
  return {
    phase: 'changes',
    position: commit.position.key,
    transactionId,
    timeMicros: commit.atMicros,
    clockMicros: block.clock,
    changeNumber: block.offset * ROWS_PER_BLOCK + place,
  };
}

function toRowChange({ kind, before, after }: MappedChange): RowChange {
  if (kind === 'delete') {
    invariant(before !== null, 'a delete has an old image');
    return { kind, before };
  }
  invariant(after !== null, 'an insert and an update have a new image');
  return kind === 'insert' ? { kind, after } : { kind, before, after };
}

async function* mapRows(parts: AsyncIterable<ChunkPart>, mapping: ChunkMapping): AsyncGenerator<ChunkPart> {
  for await (const part of parts) yield mapChunkPart(part, mapping);
}
