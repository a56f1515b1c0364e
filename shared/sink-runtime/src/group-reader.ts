import { tableKey } from '@millrace/codec/table-key.js';
import type { EventBlock } from '@millrace/contract/events.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { Coverage, TransactionGroup } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import type { Prefetch } from '@millrace/flow/prefetch.js';
import type { JournalItem } from '@millrace/journal/journal-reader.js';
import type { TableMapper } from './table-mapper.js';

/** A group ends when it holds this much, or when the journal has nothing more at hand. */
const GROUP_ROWS = 5_000;
const GROUP_BYTES = 8 * 1024 * 1024;

/** A group and what the runtime needs to know of it beside what the sink does. */
export interface ReadGroup {
  /** One transaction in slices, whose later tables are not known yet. */
  readonly large: boolean;
  /** Source names of the tables that its events refer to; for a large group, of its first slice. */
  readonly sources: readonly TableId[];
  readonly hasSchema: boolean;
  withCoverage(coverage: (source: TableId, range: PositionRange) => Coverage | null): TransactionGroup;
}

/** Where a group's changes lie: after `from`; up to `upTo`, which a large group knows only at its end. */
export interface PositionRange {
  readonly from: Position | null;
  readonly upTo: Position | null;
}

type BlockItem = Extract<JournalItem, { kind: 'block' }>;

/**
 * Cuts the journal into groups: whole blocks, each group ending where a transaction does. A block with a Schema event is a
 * group alone (its tables may have to wait for a load), and so is a transaction in slices (a Takeover abandons only it).
 */
export class GroupReader {
  readonly #items: Prefetch<JournalItem>;
  readonly #mapper: TableMapper;
  #from: Checkpoint;

  constructor(items: Prefetch<JournalItem>, mapper: TableMapper, from: Checkpoint) {
    this.#items = items;
    this.#mapper = mapper;
    this.#from = from;
  }

  /** The next group starts from here. */
  applied(checkpoint: Checkpoint): void {
    this.#from = checkpoint;
  }

  /** Undefined when the signal aborts. */
  async next(signal: AbortSignal): Promise<ReadGroup | undefined> {
    for (;;) {
      const item = await this.#items.take(signal);
      if (item === undefined) return undefined;
      // A Takeover alone changes nothing in the target: the next block's checkpoint holds its epoch.
      if (item.kind === 'block') return item.block.slice === null ? this.#small(item, signal) : this.#large(item, signal);
    }
  }

  async #small(first: BlockItem, signal: AbortSignal): Promise<ReadGroup> {
    const items = [first];
    let rows = first.block.rowCount;
    let bytes = first.block.byteLength;
    while (first.block.schemaCount === 0 && rows < GROUP_ROWS && bytes < GROUP_BYTES) {
      const next = this.#items.peek();
      if (next === undefined || (next.kind === 'block' && (next.block.slice !== null || next.block.schemaCount > 0))) break;
      await this.#items.take(signal);
      if (next.kind !== 'block') continue;
      items.push(next);
      rows += next.block.rowCount;
      bytes += next.block.byteLength;
    }
    const from = this.#from;
    const last = items.at(-1) ?? first;
    const blocks = items.map(({ block }) => this.#mapper.mapBlock(block));
    return {
      large: false,
      sources: sourcesOf(items),
      hasSchema: first.block.schemaCount > 0,
      withCoverage: (coverage) => ({
        large: false,
        blocks: asyncOf(blocks),
        from,
        next: () => last.checkpointAfter,
        coverage: (source) => coverage(source, { from: from.position, upTo: last.checkpointAfter.position }),
      }),
    };
  }

  #large(first: BlockItem, signal: AbortSignal): ReadGroup {
    const from = this.#from;
    let last: BlockItem | undefined;
    const slices = async function* (items: Prefetch<JournalItem>, mapper: TableMapper): AsyncGenerator<EventBlock> {
      for (let item: BlockItem = first; ; ) {
        yield mapper.mapBlock(item.block);
        if (item.block.slice?.last === true) {
          last = item;
          return;
        }
        const next = await items.take(signal);
        if (next === undefined) throw signal.reason;
        if (next.kind === 'takeover') throw new MillraceError('TRANSACTION_ABANDONED', { offset: first.block.offset });
        item = next;
      }
    };
    return {
      large: true,
      sources: sourcesOf([first]),
      hasSchema: first.block.schemaCount > 0,
      withCoverage: (coverage) => ({
        large: true,
        blocks: slices(this.#items, this.#mapper),
        from,
        next: () => {
          invariant(last !== undefined, 'a large group has a checkpoint only after its last slice');
          return last.checkpointAfter;
        },
        coverage: (source) => coverage(source, { from: from.position, upTo: last?.checkpointAfter.position ?? null }),
      }),
    };
  }
}

function sourcesOf(items: readonly BlockItem[]): TableId[] {
  const sources = new Map<string, TableId>();
  for (const { block } of items) for (const { source } of block.tables) sources.set(tableKey(source), source);
  return [...sources.values()];
}

/** Iterates again from the start each time: a group is applied again as a whole after a deadlock. */
function asyncOf(blocks: readonly EventBlock[]): AsyncIterable<EventBlock> {
  return {
    async *[Symbol.asyncIterator]() {
      yield* blocks;
    },
  };
}
