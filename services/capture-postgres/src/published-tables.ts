import { tableKey } from '@millrace/codec/table-key.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import type { CaptureNames } from './names.js';
import {
  addToPublication,
  createPublication,
  isMarked,
  publishedRoots,
  readPublication,
  removeFromPublication,
} from './publication.js';

/**
 * Keeps the publications in step with the selection. A table whose old rows the log cannot name is published with its inserts only:
 * publishing its updates and deletes would make the source refuse them to everybody. The publication for those is there from the first
 * start, since PostgreSQL (before 18) fails a stream that decodes a change from before one of its publications was made.
 */
export class PublishedTables {
  readonly #nameable = new Map<string, boolean>();
  /** What the stream subscribes to. */
  readonly publications: readonly string[];

  /** @param existing a publication of somebody else's, used as it is; null: Millrace's own. */
  constructor(
    private readonly names: CaptureNames,
    private readonly existing: string | null,
  ) {
    this.publications = existing === null ? [names.publication, names.insertPublication] : [existing];
  }

  /**
   * First start: makes Millrace's publications where they are missing, and publishes exactly these tables.
   * @returns as `align`
   * @throws MillraceError PUBLICATION_FOREIGN where one of their names is taken by somebody else's.
   */
  async create(client: Client, tables: readonly TableId[]): Promise<ReadonlyMap<string, MillraceError>> {
    if (this.existing === null) {
      for (const { name, changes } of this.#publicationsFor([])) {
        const marked = await isMarked(client, name);
        if (marked === false) throw new MillraceError('PUBLICATION_FOREIGN', { publication: name });
        if (marked === null) await createPublication(client, name, changes);
      }
    }
    return await this.align(client, tables, []);
  }

  /**
   * Publishes exactly these tables; `changed` says of some of them anew whether an old row can be named.
   * @returns by table key, why a table cannot be published; with class retry: why not now.
   * @throws MillraceError PUBLICATION_MISSING where somebody dropped one: what it did not publish meanwhile is gone from the stream.
   */
  async align(
    client: Client,
    tables: readonly TableId[],
    changed: readonly { readonly id: TableId; readonly nameable: boolean }[],
  ): Promise<ReadonlyMap<string, MillraceError>> {
    if (this.existing !== null) return await unpublished(client, this.existing, tables);
    for (const { id, nameable } of changed) this.#nameable.set(tableKey(id), nameable);
    const refused = new Map<string, MillraceError>();
    const superfluous: { readonly name: string; readonly tables: readonly TableId[] }[] = [];
    for (const { name, wanted } of this.#publicationsFor(tables)) {
      const current = await readPublication(client, name);
      if (current === null) throw new MillraceError('PUBLICATION_MISSING', { reason: `there is no publication "${name}"` });
      superfluous.push({ name, tables: without(current, wanted) });
      for (const [id, error] of await eachPossible(addToPublication, client, name, without(wanted, current)))
        refused.set(tableKey(id), error);
    }
    // Last: a table that changes over must be in one of them all the time.
    for (const { name, tables: removed } of superfluous) {
      for (const [id, error] of await eachPossible(removeFromPublication, client, name, removed))
        refused.set(tableKey(id), error);
    }
    return refused;
  }

  #publicationsFor(tables: readonly TableId[]) {
    const nameable = (id: TableId): boolean => this.#nameable.get(tableKey(id)) ?? true;
    return [
      { name: this.names.publication, changes: 'all', wanted: tables.filter(nameable) },
      { name: this.names.insertPublication, changes: 'inserts', wanted: tables.filter((id) => !nameable(id)) },
    ] as const;
  }
}

/** All at once, or one by one where one of them is refused (only its owner may publish a table) or locked. */
async function eachPossible(
  change: typeof addToPublication,
  client: Client,
  name: string,
  tables: readonly TableId[],
): Promise<readonly (readonly [TableId, MillraceError])[]> {
  if (tables.length === 0) return [];
  try {
    await change(client, name, tables);
    return [];
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code === 'SOURCE_CONNECTION_LOST') throw error;
    const [only, ...others] = tables;
    if (only !== undefined && others.length === 0) return [[only, error]];
  }
  const refused: (readonly [TableId, MillraceError])[] = [];
  for (const table of tables) refused.push(...(await eachPossible(change, client, name, [table])));
  return refused;
}

async function unpublished(
  client: Client,
  publication: string,
  tables: readonly TableId[],
): Promise<ReadonlyMap<string, MillraceError>> {
  const missing = without(tables, await publishedRoots(client, publication));
  return new Map(
    missing.map((id) => [
      tableKey(id),
      new MillraceError('PUBLICATION_INCOMPLETE', { publication, missing: `${id.schema}.${id.table}` }),
    ]),
  );
}

function without(tables: readonly TableId[], others: readonly TableId[]): readonly TableId[] {
  const keys = new Set(others.map(tableKey));
  return tables.filter((table) => !keys.has(tableKey(table)));
}
