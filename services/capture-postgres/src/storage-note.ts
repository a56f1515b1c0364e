import type { TableSchema } from '@millrace/contract/table.js';

/** How one relation's rows were stored when a version was described. */
export interface RelationNote {
  readonly filenode: number;
  /** By attnum − 1: the transaction that wrote the column's catalogue row; null for dropped and generated columns. */
  readonly writtenBy: readonly (string | null)[];
}

/**
 * What a table version remembers of its storage: its oid and, by oid, the relations that hold its rows (the table itself, or the
 * leaves of a partitioned one). It travels in the version as text, so that a later incarnation of the capture can compare.
 */
export interface StorageNote {
  readonly oid: number;
  /** Why the table's rows have to be loaded, where its changes are not carried until then; null: they are carried. */
  readonly awaiting: string | null;
  /** The table's entries in the task's publications: others mean that it was in none for a while. Empty where a publication holds all tables. */
  readonly membership: string;
  readonly relations: ReadonlyMap<number, RelationNote>;
}

/**
 * `oid|reason|membership|relation:filenode:runs;…`: the reason percent-encoded and mostly empty, runs as `transaction*columns`, where `x`
 * stands for columns without values of their own.
 */
export function formatStorageNote({ oid, awaiting, membership, relations }: StorageNote): string {
  const entries = [...relations].toSorted(([left], [right]) => left - right);
  return `${oid}|${encodeURIComponent(awaiting ?? '')}|${membership}|${entries.map(([relation, note]) => `${relation}:${note.filenode}:${formatRuns(note.writtenBy)}`).join(';')}`;
}

/** Null where the text is no note: its version was not made by this connector. */
export function parseStorageNote(text: string): StorageNote | null {
  const match = /^(\d+)\|([^|]*)\|([\d,]*)\|(.*)$/.exec(text);
  if (match === null) return null;
  const [, oid = '', reason = '', membership = '', rest = ''] = match;
  const relations = new Map<number, RelationNote>();
  for (const entry of rest === '' ? [] : rest.split(';')) {
    const [relation = '', filenode = '', runs = ''] = entry.split(':');
    relations.set(Number(relation), { filenode: Number(filenode), writtenBy: parseRuns(runs) });
  }
  return { oid: Number(oid), awaiting: reason === '' ? null : decodeURIComponent(reason), membership, relations };
}

function formatRuns(writtenBy: readonly (string | null)[]): string {
  const runs: { by: string; columns: number }[] = [];
  for (const each of writtenBy) {
    const by = each ?? 'x';
    const last = runs.at(-1);
    if (last?.by === by) last.columns += 1;
    else runs.push({ by, columns: 1 });
  }
  return runs.map(({ by, columns }) => `${by}*${columns}`).join(',');
}

function parseRuns(text: string): readonly (string | null)[] {
  if (text === '') return [];
  return text.split(',').flatMap((run) => {
    const [by = 'x', columns = '1'] = run.split('*');
    return Array.from({ length: Number(columns) }, () => (by === 'x' ? null : by));
  });
}

/** A version with its note. */
export interface StoredVersion {
  readonly schema: TableSchema;
  readonly note: StorageNote;
}

/**
 * Why the rows may have changed between two versions without a change in the stream; null: they have not. PostgreSQL logs no rows when
 * ALTER TABLE rewrites a table (ALTER COLUMN TYPE, a default computed per row); it then writes the columns' catalogue rows, too.
 * VACUUM FULL, CLUSTER and TRUNCATE give a new filenode and leave them alone (but for the columns whose missing value a rewrite
 * makes superfluous, and columns that were added since the earlier version: neither can be told from an ALTER, and those tables load
 * once more than they need).
 */
export function rewriteReason(earlier: StoredVersion, later: StoredVersion): string | null {
  for (const [relation, now] of later.note.relations) {
    const before = earlier.note.relations.get(relation);
    if (before === undefined || before.filenode === now.filenode) continue;
    if (before.writtenBy.some((by, index) => by !== null && now.writtenBy[index] !== null && by !== now.writtenBy[index]))
      return 'its rows were rewritten';
    const added = now.writtenBy.flatMap((by, index) => (by !== null && index >= before.writtenBy.length ? [index + 1] : []));
    // A rewrite leaves no missing value. A partition's columns are not numbered as its root's.
    const told = (ordinal: number): boolean =>
      relation === later.note.oid &&
      later.schema.columns.some((column) => column.ordinal === ordinal && column.missingValue !== null);
    if (!added.every(told)) return 'its rows were rewritten with a column that was added';
  }
  return null;
}
