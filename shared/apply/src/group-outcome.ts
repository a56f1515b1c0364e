import { tableKey } from '@millrace/codec/table-key.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { ApplyResult } from '@millrace/contract/sink.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { CHANGE, type ChangeLog } from './change-log.js';
import type { IntList } from './int-list.js';
import { rowJson } from './row-json.js';

/** Why a change was not applied. */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

/** What a group adds to a table's counts. */
export interface CountsOfTable {
  readonly source: TableId;
  inserts: number;
  updates: number;
  deletes: number;
  truncates: number;
  errors: number;
}

/** A dead letter on its way. */
export interface Letter {
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

/** What came of a group's changes, which goes into the target with them: counts, dead letters, suspended tables. */
export class GroupOutcome {
  private readonly counts = new Map<string, CountsOfTable>();
  private readonly suspensions = new Map<string, { readonly source: TableId; readonly reason: Reason }>();
  private letters: Letter[] = [];
  /** Changes set aside or passed over. */
  errors = 0;

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

  /** So many letters wait that they are to be written before the group ends. */
  get hasManyLetters(): boolean {
    return this.letters.length >= LETTERS_KEPT;
  }

  /** The letters that wait, which are the caller's to write from here on. */
  takeLetters(): readonly Letter[] {
    return this.letters.splice(0);
  }

  countsByTable(): readonly CountsOfTable[] {
    return [...this.counts.values()];
  }

  suspended(): readonly { readonly source: TableId; readonly reason: Reason }[] {
    return [...this.suspensions.values()];
  }

  private of(source: TableId): CountsOfTable {
    const key = tableKey(source);
    let counts = this.counts.get(key);
    if (counts === undefined) {
      counts = { source, inserts: 0, updates: 0, deletes: 0, truncates: 0, errors: 0 };
      this.counts.set(key, counts);
    }
    return counts;
  }
}

function count(counts: CountsOfTable, kind: number): void {
  if (kind === CHANGE.insert) counts.inserts++;
  else if (kind === CHANGE.update) counts.updates++;
  else if (kind === CHANGE.delete) counts.deletes++;
  else counts.truncates++;
}

function replace<K, V>(map: Map<K, V>, content: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of content) map.set(key, value);
}
