import { ChunkRowsBuilder } from '@millrace/codec/chunk-rows.js';
import type { ChunkPart } from '@millrace/contract/load.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { CopyTextReader } from './copy-text.js';
import { compileRowPlan, type RowPlan, RowTranslator } from './row-translator.js';

/** Turns COPY's text into row images by a table version, through the stream's own translator. */
export class CopyRowsEncoder {
  readonly #plan: RowPlan;
  readonly #reader: CopyTextReader;
  readonly #rows: ChunkRowsBuilder;
  readonly #translator = new RowTranslator();

  constructor(version: TableVersion) {
    const { schema } = version;
    const columns = schema.columns.filter((column) => column.generated === null);
    const relation = {
      oid: 0,
      schema: schema.id.schema,
      table: schema.id.table,
      replicaIdentity: 'f',
      columns: columns.map((column) => ({ name: column.name, key: true, typeOid: 0, typeModifier: -1 })),
    };
    this.#plan = compileRowPlan(relation, version, schema);
    this.#reader = new CopyTextReader(columns.length);
    this.#rows = new ChunkRowsBuilder(version);
  }

  /** @throws MillraceError SOURCE_PROTOCOL for a row that does not fit the version. */
  encode(part: ChunkPart): ChunkPart {
    const reader = this.#reader;
    reader.open(part.bytes);
    while (reader.next()) {
      this.#translator.read(reader.tuple, reader.view, reader.tupleEnd);
      this.#translator.image(this.#plan, this.#rows.row(), 0);
    }
    return this.#rows.take();
  }
}
