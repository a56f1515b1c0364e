import type { JournalBlock } from '@millrace/codec/block-reader.js';
import {
  BlockRemapper,
  mapChunkPart,
  type RowChange,
  type TableMapping as VersionMapping,
} from '@millrace/codec/mapped-block.js';
import type { EventBlock } from '@millrace/contract/events.js';
import type { ChunkEncoding, ChunkPart, KeyRange } from '@millrace/contract/load.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import type { MappedChange, RowOrigin } from '@millrace/mapping/row-change.js';
import type { TableMapping } from '@millrace/mapping/rule.js';
import { createTableMapper, type TableMapper as RuleMapper, type MappedTable as Rules } from '@millrace/mapping/table-mapper.js';

/** A table as the target sees it, and how its loaded rows get there. */
export interface MappedTable {
  readonly version: TableVersion;
  /** A range of a key column under the column's name in the target. */
  mapKeys(keys: KeyRange): KeyRange;
  mapParts(encoding: ChunkEncoding, parts: AsyncIterable<ChunkPart>): AsyncIterable<ChunkPart>;
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

  constructor(mapping: TableMapping) {
    this.#rules = createTableMapper(mapping);
    this.#remapper = new BlockRemapper((version) => this.#of(version).mapping);
  }

  /** The table as it is to be in the target. */
  target(schema: TableSchema): TableSchema {
    return this.#rules.mapTable(schema).target;
  }

  /** True where the table's loaded rows go through a rule, so that no engine's own bulk format will do. */
  changesRows(schema: TableSchema): boolean {
    return this.#rules.mapTable(schema).kind === 'rows';
  }

  mapBlock(block: JournalBlock): EventBlock {
    return this.#remapper.remap(block);
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
      mapParts: (encoding, parts) =>
        encoding === 'rows' && rules.kind === 'rows' ? mapRows(parts, version, loadMapping(rules, mapping.version)) : parts,
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
    const map = (change: RowChange): RowChange | null => {
      const mapped = rules.mapChange(
        { kind: change.kind, before: 'before' in change ? change.before : null, after: 'after' in change ? change.after : null },
        NO_ORIGIN,
      );
      return mapped === null ? null : toRowChange(mapped);
    };
    return { rules, mapping: { kind: 'rows', version: target, map } };
  }
}

const NO_ORIGIN: RowOrigin = { phase: 'changes', position: '', transactionId: '', timeMicros: 0n, changeNumber: 0n };

function loadMapping(rules: Rules, version: TableVersion): VersionMapping {
  return {
    kind: 'rows',
    version,
    map: (change) =>
      change.kind === 'insert' ? { kind: 'insert', after: rules.mapRow(change.after, { ...NO_ORIGIN, phase: 'load' }) } : null,
  };
}

function toRowChange({ kind, before, after }: MappedChange): RowChange {
  if (kind === 'delete') {
    invariant(before !== null, 'a delete has an old image');
    return { kind, before };
  }
  invariant(after !== null && kind !== 'upsert', 'an insert and an update have a new image');
  return kind === 'insert' ? { kind, after } : { kind, before, after };
}

async function* mapRows(
  parts: AsyncIterable<ChunkPart>,
  version: TableVersion,
  mapping: VersionMapping,
): AsyncGenerator<ChunkPart> {
  for await (const part of parts) yield mapChunkPart(part, version, mapping);
}
