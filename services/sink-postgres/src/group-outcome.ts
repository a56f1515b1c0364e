import { tableKey } from '@millrace/codec/table-key.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { ApplyResult } from '@millrace/contract/sink.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import type { Client } from 'pg';
import { CHANGE, type ChangeLog } from './change-log.js';
import type { IntList } from './int-list.js';
import type { Pipeline } from './pipeline.js';
import { rowJson } from './row-json.js';

/** Why a change was not applied. */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

interface Counts {
  readonly source: TableId;
  inserts: number;
  updates: number;
  deletes: number;
  truncates: number;
  errors: number;
}

interface Letter {
  readonly source: TableId;
  /** Null in a large transaction, whose Commit is yet to come. */
  readonly position: Position | null;
  readonly ordinal: number;
  readonly kind: 'insert' | 'update' | 'delete';
  readonly reason: Reason;
  readonly before: string | null;
  readonly after: string | null;
}

/** Dead letters are written when so many wait, and at the end. */
const LETTERS_KEPT = 500;
/** Stands for the position that a large transaction's letters get with its Commit. */
const NO_POSITION = { source: '', timeline: 0, key: '' } as const;

const COUNT =
  'UPDATE millrace.table_state AS t SET inserts = t.inserts + u.inserts, updates = t.updates + u.updates, deletes = t.deletes + u.deletes, ' +
  'truncates = t.truncates + u.truncates, errors = t.errors + u.errors ' +
  'FROM jsonb_to_recordset($2::jsonb) AS u("schema" text, "table" text, inserts int8, updates int8, deletes int8, truncates int8, errors int8) ' +
  'WHERE t.task = $1 AND t.source_schema = u."schema" AND t.source_table = u."table"';

/** What came of a group's changes, on its way into the target with them: counts, dead letters, suspended tables. */
export class GroupOutcome {
  private readonly counts = new Map<string, Counts>();
  private readonly suspensions = new Map<string, { readonly source: TableId; readonly reason: Reason }>();
  private letters: Letter[] = [];
  private wroteUnplaced = false;
  /** Changes set aside or passed over. */
  errors = 0;

  constructor(private readonly task: string) {}

  applied(log: ChangeLog, change: number, version: TableVersion): void {
    count(this.of(version.source), log.kinds.at(change));
  }

  allApplied(log: ChangeLog, changes: IntList, version: TableVersion): void {
    const counts = this.of(version.source);
    for (let index = 0; index < changes.length; index++) count(counts, log.kinds.at(changes.at(index)));
  }

  /** A conflict, or a change of a table that is set aside as a whole. */
  countError(source: TableId): void {
    this.of(source).errors++;
    this.errors++;
  }

  /** Keeps the change whole as a dead letter. */
  setAside(log: ChangeLog, change: number, reason: Reason): void {
    const version = log.version(change);
    this.of(version.source).errors++;
    this.errors++;
    const kind = log.kinds.at(change);
    const bytes = log.buffer(log.sources.at(change));
    const image = (start: number, end: number): string | null => (start < 0 ? null : rowJson(version, bytes, start, end));
    this.letters.push({
      source: version.source,
      position: log.position(change) ?? null,
      ordinal: log.ordinals.at(change),
      kind: kind === CHANGE.insert ? 'insert' : kind === CHANGE.update ? 'update' : 'delete',
      reason,
      before: image(log.beforeStarts.at(change), log.beforeEnds.at(change)),
      after: image(log.afterStarts.at(change), log.afterEnds.at(change)),
    });
  }

  suspend(source: TableId, reason: Reason): void {
    this.suspensions.set(tableKey(source), { source, reason });
  }

  isSuspended(source: TableId): boolean {
    return this.suspensions.size > 0 && this.suspensions.has(tableKey(source));
  }

  /** A Schema event puts the table in another state. */
  resume(source: TableId): void {
    this.suspensions.delete(tableKey(source));
  }

  get suspendsTables(): boolean {
    return this.suspensions.size > 0;
  }

  result(log: ChangeLog, checkpoint: Checkpoint): ApplyResult {
    return {
      checkpoint,
      transactions: log.commits,
      rows: log.rows,
      lastCommittedAtMicros: log.lastCommittedAtMicros,
      suspended: [...this.suspensions.values()].map(({ source }) => source),
      errors: this.errors,
    };
  }

  /** Where it stands now; `restore` goes back there when what followed was rolled back. */
  mark(): () => void {
    const counts = new Map([...this.counts].map(([key, value]) => [key, { ...value }]));
    const suspensions = new Map(this.suspensions);
    const { errors } = this;
    const letters = [...this.letters];
    return () => {
      replace(this.counts, counts);
      replace(this.suspensions, suspensions);
      this.letters = letters;
      this.errors = errors;
    };
  }

  /** Bounds the letters kept, between two slices of a large transaction. */
  async writeSome(client: Client): Promise<void> {
    if (this.letters.length >= LETTERS_KEPT) await this.writeLetters(client);
  }

  /** Writes everything, in the group's transaction. `position`: that of a large transaction. */
  async write(pipeline: Pipeline, position: Position | null): Promise<void> {
    this.writeCounts(pipeline);
    if (this.letters.length > 0) await this.writeLetters(await pipeline.client());
    if (this.wroteUnplaced) await this.placeLetters(await pipeline.client(), position);
    for (const { source, reason } of this.suspensions.values()) {
      const client = await pipeline.client();
      await client.query(
        `UPDATE millrace.table_state SET state = 'error', error_code = $4, error_message = $5 WHERE task = $1 AND source_schema = $2 AND source_table = $3`,
        [this.task, source.schema, source.table, reason.code, reason.message],
      );
    }
  }

  private of(source: TableId): Counts {
    const key = tableKey(source);
    let counts = this.counts.get(key);
    if (counts === undefined) {
      counts = { source, inserts: 0, updates: 0, deletes: 0, truncates: 0, errors: 0 };
      this.counts.set(key, counts);
    }
    return counts;
  }

  private writeCounts(pipeline: Pipeline): void {
    if (this.counts.size === 0) return;
    const counts = [...this.counts.values()].map(({ source, ...rest }) => ({ ...source, ...rest }));
    pipeline.add({ text: COUNT, values: [this.task, JSON.stringify(counts)] });
  }

  private async writeLetters(client: Client): Promise<void> {
    const letters = this.letters.splice(0);
    if (letters.length === 0) return;
    const positions = letters.map(({ position }) => position ?? NO_POSITION);
    this.wroteUnplaced ||= letters.some(({ position }) => position === null);
    await client.query(
      'INSERT INTO millrace.dead_letter (task, source_schema, source_table, position_source, position_timeline, position_key, ordinal, kind, code, message, before, after) ' +
        'SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::int8[], $6::text[], $7::int4[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])',
      [
        this.task,
        letters.map(({ source }) => source.schema),
        letters.map(({ source }) => source.table),
        positions.map(({ source }) => source),
        positions.map(({ timeline }) => timeline),
        positions.map(({ key }) => key),
        letters.map(({ ordinal }) => ordinal),
        letters.map(({ kind }) => kind),
        letters.map(({ reason }) => reason.code),
        letters.map(({ reason }) => reason.message),
        letters.map(({ before }) => before),
        letters.map(({ after }) => after),
      ],
    );
  }

  private async placeLetters(client: Client, position: Position | null): Promise<void> {
    await client.query(
      'UPDATE millrace.dead_letter SET position_source = $2, position_timeline = $3, position_key = $4 WHERE task = $1 AND position_source = $5 AND position_key = $6',
      [this.task, position?.source ?? '', position?.timeline ?? 0, position?.key ?? '', NO_POSITION.source, NO_POSITION.key],
    );
  }
}

function count(counts: Counts, kind: number): void {
  if (kind === CHANGE.insert) counts.inserts++;
  else if (kind === CHANGE.update) counts.updates++;
  else if (kind === CHANGE.delete) counts.deletes++;
  else counts.truncates++;
}

function replace<K, V>(map: Map<K, V>, content: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of content) map.set(key, value);
}
