import { BlockBuilder } from '@millrace/codec/block-builder.js';
import { decodeBlock, type JournalBlock } from '@millrace/codec/block-reader.js';
import { writeRow } from '@millrace/codec/row-reader.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import { type Row, UNCHANGED } from '@millrace/contract/row.js';
import type { Coverage, TransactionGroup } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';

/** A change of the conformance table: `id`, the key, and `note`, a text. */
export type SinkChange =
  | { readonly kind: 'insert'; readonly id: number; readonly note: string | null }
  /** Without a note, it is unchanged; with `to`, the key moves. */
  | { readonly kind: 'update'; readonly id: number; readonly note?: string | null; readonly to?: number }
  | { readonly kind: 'delete'; readonly id: number }
  | { readonly kind: 'truncate' };

export function positionAt(place: number): Position {
  return { source: 'conformance', timeline: 1, key: place.toString(16).padStart(16, '0') };
}

/** A journal as a capture would have written it, a block for each transaction; places go up by 10. */
export class ScriptedJournal {
  place = 0;
  #offset = 0n;
  #seq = -1n;
  #after: Position | null = null;
  readonly #builder = new BlockBuilder();

  constructor(private readonly table: TableVersion) {}

  /** Behind everything written so far. */
  get checkpoint(): Checkpoint {
    return { journal: 'conformance', epoch: 0n, seq: this.#seq, nextOffset: this.#offset, position: this.#after };
  }

  transaction(...changes: readonly SinkChange[]): JournalBlock {
    this.#builder.begin('1');
    for (const change of changes) this.#write(change);
    this.place += 10;
    this.#builder.commit(positionAt(this.place), changes.length, 1_700_000_000_000_000n);
    return this.#seal();
  }

  progress(): JournalBlock {
    this.place += 10;
    this.#builder.progress(positionAt(this.place));
    return this.#seal();
  }

  /** Names the load that brings the table's rows. */
  announceLoad(load: string): JournalBlock {
    this.#builder.schema(this.table, { kind: 'load', load, reason: 'conformance' });
    this.place += 10;
    this.#builder.progress(positionAt(this.place));
    return this.#seal();
  }

  #write(change: SinkChange): void {
    const { table } = this;
    const row = (id: number, note: string | null | typeof UNCHANGED): Row =>
      table.schema.columns.map(({ name }) => (name === 'id' ? id : note));
    if (change.kind === 'insert') writeRow(table, row(change.id, change.note), this.#builder.insert(table));
    else if (change.kind === 'delete') writeRow(table, row(change.id, UNCHANGED), this.#builder.delete(table));
    else if (change.kind === 'truncate') this.#builder.truncate([table], { cascade: false, restartIdentity: false });
    else {
      const writer = this.#builder.update(table, true);
      writeRow(table, row(change.id, UNCHANGED), writer);
      writeRow(table, row(change.to ?? change.id, change.note === undefined ? UNCHANGED : change.note), writer);
    }
  }

  #seal(): JournalBlock {
    this.#seq += 1n;
    const header = {
      journal: 'conformance',
      epoch: 0n,
      seq: this.#seq,
      prev: this.#offset - 1n,
      source: 'conformance',
      timeline: 1,
      after: this.#after,
      slice: null,
      clock: null,
    };
    const block = decodeBlock(this.#builder.seal(header, 1), this.#offset, () => this.table);
    this.#offset += 1n;
    this.#after = positionAt(this.place);
    return block;
  }
}

/** The blocks as a group between two checkpoints. With `breaksOff`, reading it fails behind the last block. */
export function groupOf(
  blocks: readonly JournalBlock[],
  from: Checkpoint,
  next: Checkpoint,
  { coverage = null, breaksOff }: { readonly coverage?: Coverage | null; readonly breaksOff?: Error } = {},
): TransactionGroup {
  return {
    large: breaksOff !== undefined,
    blocks: (async function* () {
      yield* blocks;
      await Promise.resolve();
      if (breaksOff !== undefined) throw breaksOff;
    })(),
    from,
    next: () => next,
    coverage: () => coverage,
  };
}
