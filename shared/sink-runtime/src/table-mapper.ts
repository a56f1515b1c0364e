import { BlockRemapper, mapChunkPart, type TableMapping as VersionMapping } from '@millrace/codec/mapped-block.js';
import type { JournalBlock } from '@millrace/codec/block-reader.js';
import type { EventBlock } from '@millrace/contract/events.js';
import type { ChunkEncoding, ChunkPart } from '@millrace/contract/load.js';
import type { TableVersion } from '@millrace/contract/table.js';

/** A table as the target sees it, and how its loaded rows get there. */
export interface MappedTable {
  readonly version: TableVersion;
  mapParts(encoding: ChunkEncoding, parts: AsyncIterable<ChunkPart>): AsyncIterable<ChunkPart>;
}

/** Applies a task's table mappings to what comes from the journal and the load topic. One per reader. */
export class TableMapper {
  readonly #mappingOf: (version: TableVersion) => VersionMapping;
  readonly #remapper: BlockRemapper;

  /** `mappingOf` is asked once per table version. */
  constructor(mappingOf: (version: TableVersion) => VersionMapping) {
    const known = new WeakMap<TableVersion, VersionMapping>();
    this.#mappingOf = (version) => {
      const mapping = known.get(version) ?? mappingOf(version);
      known.set(version, mapping);
      return mapping;
    };
    this.#remapper = new BlockRemapper(this.#mappingOf);
  }

  mapBlock(block: JournalBlock): EventBlock {
    return this.#remapper.remap(block);
  }

  /** Null: the task does not take the table. */
  map(version: TableVersion): MappedTable | null {
    const mapping = this.#mappingOf(version);
    if (mapping.kind === 'drop') return null;
    return {
      version: mapping.version,
      // An engine's own bulk format is chosen only where no rule touches the rows.
      mapParts: (encoding, parts) => (encoding === 'rows' && mapping.kind === 'rows' ? mapRows(parts, version, mapping) : parts),
    };
  }
}

async function* mapRows(parts: AsyncIterable<ChunkPart>, version: TableVersion, mapping: VersionMapping): AsyncGenerator<ChunkPart> {
  for await (const part of parts) yield mapChunkPart(part, version, mapping);
}
