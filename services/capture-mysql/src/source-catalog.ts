import type { TableSelector } from '@millrace/contract/capture.js';
import type { TableId, TableSchema } from '@millrace/contract/table.js';
import type { Server } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { describeTables } from './catalog/describe-tables.js';
import { listTables } from './catalog/list-tables.js';
import { type Charset, type Collation, decoderFor, readCollations, type TextDecoder8 } from './charsets.js';
import { selectTables } from './selection.js';

/** What the stream asks of the source beside its log, on a session of its own. */
export class SourceCatalog {
  readonly decoders = new Map<string, TextDecoder8>();

  private constructor(
    private readonly session: Connection,
    readonly server: Server,
    readonly collations: ReadonlyMap<number, Collation>,
  ) {}

  static async open(session: Connection, server: Server): Promise<SourceCatalog> {
    return new SourceCatalog(session, server, await readCollations(session, server));
  }

  describe(tables: readonly TableId[]): Promise<readonly TableSchema[]> {
    return describeTables(this.session, this.server, tables);
  }

  async selected(selector: TableSelector): Promise<readonly TableId[]> {
    return selectTables(await listTables(this.session), selector);
  }

  async prepareDecoders(charsets: readonly Charset[]): Promise<void> {
    for (const charset of charsets) {
      if (!this.decoders.has(charset.name)) this.decoders.set(charset.name, await decoderFor(this.session, charset));
    }
  }
}
