import type { TableVersion } from '@millrace/contract/table.js';
import type { Connection } from 'mysql2/promise';
import { NotMysqlValue } from './literals.js';
import { serverFailureOf } from './server-failure.js';
import { refuseTooLong, writeAll } from './statements.js';

/** The bulk statements of these tables did not do exactly what the changes say: only applying them one by one can judge why. */
export class BulkRefused extends Error {
  override readonly name = 'BulkRefused';

  constructor(
    readonly versions: ReadonlySet<TableVersion>,
    reason: string,
    options?: { readonly cause: unknown },
  ) {
    super(reason, options);
  }
}

/** The target's answer to the data itself: another attempt would meet it again, and the policy has to judge. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof NotMysqlValue) return true;
  const kind = serverFailureOf(error)?.kind;
  return kind === 'duplicate' || kind === 'data' || kind === 'table';
}

/** Statements go to the server in packets of about this size: one answer for many of them. */
const PACKET_BYTES = 512 * 1024;
/** So that one answer does not hold everything up. */
const PACKET_STATEMENTS = 500;
/** A character of a statement is at most three bytes of UTF-8 for each of its UTF-16 units. */
const BYTES_PER_UNIT = 3;

interface Waiting {
  readonly sql: string;
  readonly rows: number;
  readonly version: TableVersion;
}

/** Statements that wait to be sent together, and what each has to do. */
export class Batch {
  private waiting: Waiting[] = [];
  private length = 0;
  private readonly maxUnits: number;

  constructor(
    private readonly connection: Connection,
    private readonly maxPacketBytes: number,
  ) {
    this.maxUnits = Math.min(PACKET_BYTES, Math.floor(maxPacketBytes / 2)) / BYTES_PER_UNIT;
  }

  /** How long one statement of many rows should be, in UTF-16 units. */
  get statementUnits(): number {
    return this.maxUnits / 2;
  }

  /** @throws BulkRefused of statements before it; MillraceError TARGET_ROW_BEYOND_PACKET */
  async add(sql: string, rows: number, version: TableVersion): Promise<void> {
    if (this.length + sql.length > this.maxUnits || this.waiting.length >= PACKET_STATEMENTS) await this.flush();
    refuseTooLong(sql, this.maxPacketBytes, version.source);
    this.waiting.push({ sql, rows, version });
    this.length += sql.length;
  }

  /** Removes every row of a table, however many there are. @throws BulkRefused of statements before it, or of its own */
  async clear(relation: string, version: TableVersion): Promise<void> {
    await this.flush();
    try {
      await writeAll(this.connection, [`DELETE FROM ${relation}`]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new BulkRefused(new Set([version]), error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /**
   * Sends what waits, and checks that each statement met or made as many rows as it should and that the server bent no value.
   * @throws BulkRefused
   */
  async flush(): Promise<void> {
    const { waiting } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    this.length = 0;
    try {
      const results = await writeAll(
        this.connection,
        waiting.map(({ sql }) => sql),
      );
      for (const [index, { rows, version }] of waiting.entries()) {
        const result = results[index];
        if (result?.rows !== rows) throw new BulkRefused(new Set([version]), `${result?.rows} rows were met instead of ${rows}`);
        if (result.warnings > 0) throw new BulkRefused(new Set([version]), `the target gave ${result.warnings} warnings`);
      }
    } catch (error) {
      if (error instanceof BulkRefused || !isRefusal(error)) throw error;
      // The server does not say which statement of a packet it was.
      const reason = error instanceof Error ? error.message : String(error);
      throw new BulkRefused(new Set(waiting.map(({ version }) => version)), reason, { cause: error });
    }
  }
}
