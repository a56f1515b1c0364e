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
  readonly relations: ReadonlyMap<number, RelationNote>;
}

/** `oid|relation:filenode:runs;…`, where runs are `transaction*columns`, `x` standing for columns without values of their own. */
export function formatStorageNote({ oid, relations }: StorageNote): string {
  const entries = [...relations].toSorted(([left], [right]) => left - right);
  return `${oid}|${entries.map(([relation, note]) => `${relation}:${note.filenode}:${formatRuns(note.writtenBy)}`).join(';')}`;
}

/** Null where the text is no note: its version was not made by this connector. */
export function parseStorageNote(text: string): StorageNote | null {
  const match = /^(\d+)\|(.*)$/.exec(text);
  if (match === null) return null;
  const [, oid = '', rest = ''] = match;
  const relations = new Map<number, RelationNote>();
  for (const entry of rest === '' ? [] : rest.split(';')) {
    const [relation = '', filenode = '', runs = ''] = entry.split(':');
    relations.set(Number(relation), { filenode: Number(filenode), writtenBy: parseRuns(runs) });
  }
  return { oid: Number(oid), relations };
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

/**
 * Why the rows may have changed between two notes without a change in the stream; null: they have not. PostgreSQL logs no rows when
 * ALTER TABLE rewrites a table (ALTER COLUMN TYPE, a default computed per row); it then writes the columns' catalogue rows, too.
 * VACUUM FULL, CLUSTER and TRUNCATE give a new filenode and leave them alone (but for the columns whose missing value a rewrite
 * makes superfluous, which cannot be told from an ALTER: those tables load once more than they need).
 */
export function rewriteReason(earlier: StorageNote, later: StorageNote): string | null {
  for (const [relation, now] of later.relations) {
    const before = earlier.relations.get(relation);
    if (before === undefined || before.filenode === now.filenode) continue;
    const rewritten = now.writtenBy.some((by, index) => by !== null && by !== before.writtenBy[index]);
    if (rewritten) return 'its rows were rewritten';
  }
  return null;
}
