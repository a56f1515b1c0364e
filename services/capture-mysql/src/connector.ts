import type { Attached, CaptureIdentity, CaptureSource, StreamOptions, TableSelector } from '@millrace/contract/capture.js';
import type { EventWriter } from '@millrace/contract/events.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { Snapshot } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope } from '@millrace/flow/abort.js';
import { closeSession, connect } from '@millrace/mysql/connect.js';
import { type ConnectionSettings, parseConnectionUrl } from '@millrace/mysql/connection-url.js';
import { identifyServer } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { assessSource } from './assess/assess-source.js';
import { type Attachment, attachAgain, attachAnew } from './attach.js';
import { describeTables } from './catalog/describe-tables.js';
import { listTables } from './catalog/list-tables.js';
import { formatPlace, placeKey } from './position.js';
import { queryError } from './query-error.js';
import { selectTables } from './selection.js';
import { readLogEnd, readServer } from './server-log.js';
import { openSnapshot } from './snapshot.js';
import { streamChanges } from './stream.js';

export interface MysqlSourceSettings {
  /** `mysql://user:password@host:port` or `mariadb://…`; which of the two it is, the server says. */
  readonly url: string;
}

/** A MySQL (5.7 to 8.4) or MariaDB (10.5 to 11) server as a source. @throws MillraceError ENDPOINT_URL_INVALID */
export function createMysqlSource(settings: MysqlSourceSettings): CaptureSource {
  return new MysqlSource(parseConnectionUrl(settings.url, 'source'));
}

class MysqlSource implements CaptureSource {
  readonly #disposed = new AbortScope();
  #attachment: Attachment | undefined;

  constructor(private readonly connection: ConnectionSettings) {}

  assess(selector: TableSelector): Promise<readonly Finding[]> {
    return this.#withSession('assess', (session) => assessSource(session, selector));
  }

  describe(selector: TableSelector): Promise<readonly TableSchema[]> {
    return this.#withSession('describe', async (session) =>
      describeTables(session, await identifyServer(session), selectTables(await listTables(session), selector)),
    );
  }

  currentPosition(): Promise<Position> {
    return this.#withSession('position', async (session) => {
      const server = await readServer(session);
      const { file, offset } = await readLogEnd(session, server);
      const { source, failovers } = this.#attachment ?? { source: server.identity, failovers: 0 };
      return { source, timeline: 0, key: placeKey(failovers, file, offset) };
    });
  }

  async attach(identity: CaptureIdentity, selector: TableSelector, resume: Position | null): Promise<Attached> {
    const request = { connection: this.connection, identity, selector, signal: this.#disposed.signal };
    const { attachment, attached } = resume === null ? await attachAnew(request) : await attachAgain(request, resume);
    this.#attachment = attachment;
    return attached;
  }

  snapshot(tables: readonly TableId[], signal: AbortSignal): Promise<Snapshot> {
    return openSnapshot({ connection: this.connection, attachment: this.#attached(), tables, signal });
  }

  async stream(after: Position, journal: EventWriter, options: StreamOptions): Promise<void> {
    const { identity, server, changed } = this.#attached();
    await streamChanges({ connection: this.connection, identity, server, changed }, after, journal, options);
  }

  /** The server keeps its log by its own rules, whoever reads it. */
  acknowledge(_upTo: Position): void {}

  formatPosition(position: Position): string {
    return formatPlace(position);
  }

  /** Nothing is made in the source. */
  remove(_identity: CaptureIdentity): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    await Promise.resolve();
  }

  #attached(): Attachment {
    if (this.#attachment === undefined) throw new MillraceError('INTERNAL', { what: 'the source is used before attach' });
    return this.#attachment;
  }

  async #withSession<T>(purpose: string, work: (session: Connection) => Promise<T>): Promise<T> {
    const session = await connect(this.connection, {
      applicationName: `millrace:${purpose}`,
      settings: {},
      signal: this.#disposed.signal,
    });
    try {
      return await work(session);
    } catch (error) {
      throw queryError(error, `the source is asked (${purpose})`);
    } finally {
      await closeSession(session);
    }
  }
}
