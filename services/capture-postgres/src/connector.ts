import type { Attached, CaptureIdentity, CaptureSource, StreamOptions, TableSelector } from '@millrace/contract/capture.js';
import type { EventWriter } from '@millrace/contract/events.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { Snapshot } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope } from '@millrace/flow/abort.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { type ConnectionSettings, parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import type { Client } from 'pg';
import { assessSource } from './assess/assess-source.js';
import { type Attachment, attachToSlot, openSlot } from './attach.js';
import { listTables } from './catalog/list-tables.js';
import { formatLsn, LSN_ZERO, type LsnKey, laterLsn, positionAt } from './lsn.js';
import { removeCapture } from './remove.js';
import { openSecondSnapshot } from './second-snapshot.js';
import { selectTables } from './selection.js';
import { openSession } from './session.js';
import { readEndPosition, readIdentity } from './source-identity.js';
import { readTables } from './stored-tables.js';
import { streamChanges } from './stream.js';

export interface PostgresSourceSettings {
  /** A connection URL, read as libpq reads it. */
  readonly url: string;
  /** A publication that exists and is used as it is; null: Millrace makes its own for the selected tables. */
  readonly publication: string | null;
}

/** A PostgreSQL database (13 to 18) as a source. @throws MillraceError ENDPOINT_URL_INVALID */
export function createPostgresSource(settings: PostgresSourceSettings): CaptureSource {
  return new PostgresSource(parseConnectionUrl(settings.url, 'source'), settings.publication);
}

class PostgresSource implements CaptureSource {
  readonly #disposed = new AbortScope();
  #attachment: Attachment | undefined;
  #acknowledged: LsnKey = LSN_ZERO;

  constructor(
    private readonly connection: ConnectionSettings,
    private readonly publication: string | null,
  ) {}

  assess(selector: TableSelector): Promise<readonly Finding[]> {
    return this.#withSession('assess', (client) => assessSource(client, selector, this.publication));
  }

  describe(selector: TableSelector): Promise<readonly TableSchema[]> {
    const publications = this.#attachment?.published.publications ?? [];
    return this.#withSession('describe', async (client) => {
      const tables = await readTables(client, selectTables(await listTables(client), selector), publications);
      return tables.map(({ schema }) => schema);
    });
  }

  currentPosition(): Promise<Position> {
    return this.#withSession('position', async (client) => positionAt(await readIdentity(client), await readEndPosition(client)));
  }

  async attach(identity: CaptureIdentity, selector: TableSelector, resume: Position | null): Promise<Attached> {
    const request = {
      connection: this.connection,
      publication: this.publication,
      identity,
      selector,
      signal: this.#disposed.signal,
    };
    const { attachment, attached } = resume === null ? await openSlot(request) : await attachToSlot(request, resume);
    this.#attachment = attachment;
    this.#acknowledged = attached.acknowledged.key;
    return attached;
  }

  snapshot(_tables: readonly TableId[], signal: AbortSignal): Promise<Snapshot> {
    const { identity, names } = this.#attached();
    return openSecondSnapshot({
      connection: this.connection,
      applicationName: `${names.applicationPrefix}load`,
      identity,
      signal,
    });
  }

  async stream(after: Position, journal: EventWriter, options: StreamOptions): Promise<void> {
    const attachment = this.#attached();
    // `after` is in force in the journal; what the slot holds below it is not needed any more.
    this.acknowledge(after);
    const context = { ...attachment, connection: this.connection, acknowledged: () => this.#acknowledged };
    await streamChanges(context, after, journal, options);
  }

  acknowledge(upTo: Position): void {
    this.#acknowledged = laterLsn(this.#acknowledged, upTo.key);
  }

  formatPosition(position: Position): string {
    return formatLsn(position.key);
  }

  remove(identity: CaptureIdentity): Promise<readonly string[]> {
    return this.#withSession('remove', (client) => removeCapture(client, identity));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    await Promise.resolve();
  }

  #attached(): Attachment {
    if (this.#attachment === undefined) throw new MillraceError('INTERNAL', { what: 'the source is used before attach' });
    return this.#attachment;
  }

  async #withSession<T>(purpose: string, work: (client: Client) => Promise<T>): Promise<T> {
    const client = await openSession(this.connection, { applicationName: `millrace:${purpose}`, signal: this.#disposed.signal });
    try {
      return await work(client);
    } finally {
      await closeSession(client);
    }
  }
}
