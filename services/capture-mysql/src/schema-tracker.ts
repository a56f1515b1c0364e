import { Buffer } from 'node:buffer';
import { fingerprintOf } from '@millrace/codec/fingerprint.js';
import { displayTable, tableKey } from '@millrace/codec/table-key.js';
import type { TableSelector } from '@millrace/contract/capture.js';
import type { EventWriter } from '@millrace/contract/events.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Alteration, LoggedStatement } from './binlog/ddl-statement.js';
import { EventReader } from './binlog/event-reader.js';
import { charsetsOf, compileRowPlan, type RowPlan } from './binlog/row-plan.js';
import { readTableName, readTableShape, type TableShape } from './binlog/table-map.js';
import type { ChangedTables } from './changed-tables.js';
import { continueFrom, fits, reasonToLoad, schemaFromShape } from './shape-schema.js';
import type { SourceCatalog } from './source-catalog.js';

/** A table of the selection as the stream stands with it. */
interface TrackedTable {
  readonly id: TableId;
  /** The version that rows are written as. */
  version: TableVersion;
  /** It was altered, or may have been while nobody read: the next of its rows, or the log's end, shows how. */
  pending: Pending | null;
  /** Where the log ended when the catalogue told what an added column holds in older rows; an alteration before that may be what it told. */
  provedAt: string;
}

/** What the statements since the table's version was settled did to its columns. */
interface Pending {
  readonly altered: boolean;
  readonly adds: boolean;
  readonly drops: boolean;
  readonly changes: boolean;
}

const PERHAPS: Pending = { altered: false, adds: false, drops: false, changes: false };

/** A TABLE_MAP event as it came last under its number: the same bytes mean the same plan. */
interface MappedTable {
  readonly body: Buffer;
  /** Null: its rows are not carried. */
  readonly plan: RowPlan | null;
}

export interface SchemaTrackerOptions {
  readonly catalog: Pick<SourceCatalog, 'server' | 'collations' | 'decoders' | 'describe' | 'selected' | 'prepareDecoders'>;
  readonly journal: EventWriter;
  readonly selector: TableSelector;
  readonly known: readonly TableVersion[];
  readonly needsLoad: (table: TableSchema, reason: string) => string;
  readonly changed: ChangedTables;
  /** The key of the stream's place. */
  readonly place: () => string;
  /** The key of the log's end. */
  readonly logEnd: () => Promise<string>;
}

const CHANGED_BEFORE_LOAD = 'its columns changed before its rows were read';
const CHANGED_SEVERAL_TIMES = 'its columns changed several times in a row';

/** What the catalogue says of altered tables, and the end of the log after it was asked. */
interface Observation {
  readonly at: string;
  readonly tables: ReadonlyMap<TrackedTable, { readonly pending: Pending | null; readonly now: TableSchema | undefined }>;
}

/** Room for table numbers: a server with more open tables maps them again. */
const MAX_MAPPED = 10_000;

/**
 * Knows, at every place of the log, which version of its table a row belongs to. A TABLE_MAP event is exact in place; statements that
 * change tables say that the catalogue is to be looked at, which tells the rest and may be ahead of the log. What the log does not carry
 * (a table that appeared, was renamed or rewritten) is loaded from that place on.
 */
export class SchemaTracker {
  readonly #tables = new Map<string, TrackedTable>();
  readonly #mapped = new Map<number, MappedTable>();
  #observation: Observation | null = null;

  constructor(private readonly options: SchemaTrackerOptions) {
    // What was altered without rows behind it may not have reached the journal.
    for (const version of options.known) this.#track(version).pending = PERHAPS;
  }

  /** Before the first event: tables that the selection has gained since the journal was written. */
  async start(): Promise<void> {
    for (const id of await this.options.catalog.selected(this.options.selector)) {
      if (!this.#tables.has(tableKey(id))) await this.#appear(id, 'it appeared in the selection');
    }
  }

  /** The rows' plan of a table number; null: they are not carried. */
  plan(number: number): RowPlan | null {
    const mapped = this.#mapped.get(number);
    if (mapped === undefined)
      throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: `rows of table number ${number} without its TABLE_MAP event` });
    return mapped.plan;
  }

  /** A new log file numbers its tables anew. */
  forgetNumbers(): void {
    this.#mapped.clear();
  }

  /** Takes a TABLE_MAP event; `body` stands behind its number and flags. */
  tableMap(number: number, body: EventReader): Promise<void> | undefined {
    const { bytes, position, end } = body;
    const mapped = this.#mapped.get(number);
    if (mapped?.body.length === end - position && bytes.compare(mapped.body, 0, mapped.body.length, position, end) === 0)
      return undefined;
    const copy = Buffer.from(bytes.subarray(position, end));
    const id = readTableName(body);
    const tracked = this.#tables.get(tableKey(id));
    if (tracked === undefined && !this.#isSelected(id)) {
      this.#remember(number, { body: copy, plan: null });
      return undefined;
    }
    return this.#map(number, { copy, body: new EventReader(copy, body.position - position, copy.length), id, tracked });
  }

  /** Takes a statement that may have changed tables. `truncate` writes the truncation as a change of its own. */
  async statement(statement: LoggedStatement, truncate: (tables: readonly TableVersion[]) => void): Promise<void> {
    switch (statement.kind) {
      case 'truncate': {
        const versions = statement.tables.flatMap((id) => this.#tables.get(tableKey(id))?.version ?? []);
        if (versions.length > 0) truncate(versions);
        return;
      }
      case 'drop':
        for (const id of statement.tables) await this.#drop(id);
        return;
      case 'dropDatabase':
        for (const { id } of [...this.#tables.values()]) if (id.schema === statement.database) await this.#drop(id);
        return;
      case 'rename': {
        const appeared = new Map(statement.pairs.map(({ to }) => [tableKey(to), to]));
        for (const { from } of statement.pairs) if (!appeared.has(tableKey(from))) await this.#drop(from);
        for (const to of appeared.values()) if (this.#isSelected(to)) await this.#appear(to, 'another table took its name');
        return;
      }
      case 'create':
        if (this.#tables.has(tableKey(statement.table)) && !statement.replaces) return;
        if (this.#isSelected(statement.table)) await this.#appear(statement.table, 'it was created');
        return;
      case 'alter':
        await this.#altered(statement.table, statement);
        return;
      default:
        return;
    }
  }

  async #map(
    number: number,
    {
      copy,
      body,
      id,
      tracked,
    }: { readonly copy: Buffer; readonly body: EventReader; readonly id: TableId; readonly tracked: TrackedTable | undefined },
  ): Promise<void> {
    const { catalog } = this.options;
    const shape = readTableShape(id, body, catalog.server.engine);
    const table = tracked ?? (await this.#appear(id, 'it appeared in the selection'));
    if (table === null) {
      // It is gone from the catalogue: the statement that dropped or renamed it follows.
      this.#remember(number, { body: copy, plan: null });
      return;
    }
    const { version } = await this.#settle(shape, table);
    await catalog.prepareDecoders(charsetsOf(shape, version, catalog));
    this.#remember(number, { body: copy, plan: compileRowPlan(shape, version, catalog) });
  }

  /**
   * Nothing more is at hand: altered tables that no rows followed are looked up. What the catalogue says holds once the stream has
   * reached the log's end of that moment, for tables that nothing happened to until then.
   */
  async caughtUp(): Promise<void> {
    await this.#loadChanged();
    this.#observation ??= await this.#observe();
    const observation = this.#observation;
    if (observation === null || this.options.place() < observation.at) return;
    this.#observation = null;
    for (const [table, { pending, now }] of observation.tables) {
      const isSame = this.#tables.get(tableKey(table.id)) === table && table.pending === pending;
      // What is gone from the catalogue is dropped by the statement that follows.
      if (!isSame || now === undefined) continue;
      const settled = await this.#change(table, continueFrom(table.version.schema, now));
      settled.provedAt = '';
    }
  }

  async #observe(): Promise<Observation | null> {
    const altered = [...this.#tables.values()].filter(({ pending }) => pending !== null);
    if (altered.length === 0) return null;
    const described = await this.options.catalog.describe(altered.map(({ id }) => id));
    const byName = new Map(described.map((schema) => [tableKey(schema.id), schema]));
    const tables = new Map(altered.map((table) => [table, { pending: table.pending, now: byName.get(tableKey(table.id)) }]));
    return { at: await this.options.logEnd(), tables };
  }

  /** Tables that a snapshot found newer than their load: the log has told how by now. */
  async #loadChanged(): Promise<void> {
    for (const id of this.options.changed.take()) {
      const table = this.#tables.get(tableKey(id));
      const [now] = table === undefined ? [] : await this.options.catalog.describe([id]);
      // What is gone from the catalogue is dropped by the statement that follows.
      if (table !== undefined && now !== undefined)
        await this.#load(continueFrom(table.version.schema, now), CHANGED_BEFORE_LOAD);
    }
  }

  /** Brings the table to a version that the shape fits. */
  async #settle(shape: TableShape, table: TrackedTable): Promise<TrackedTable> {
    const { catalog } = this.options;
    const earlier = table.version.schema;
    const fitting = fits(shape, earlier, catalog.collations);
    if (fitting && (table.pending === null || (!shape.named && !table.pending.altered))) return table;
    if (!shape.named) throw new MillraceError('SOURCE_SCHEMA_UNPROVED', { table: displayTable(shape.id) });
    const [now] = await catalog.describe([shape.id]);
    if (now !== undefined && fits(shape, now, catalog.collations)) return await this.#change(table, continueFrom(earlier, now));
    if (fitting) return await this.#change(table, earlier);
    const next = schemaFromShape(shape, { earlier, now }, catalog.collations);
    if (next === null) throw new MillraceError('SOURCE_SCHEMA_UNPROVED', { table: displayTable(shape.id) });
    return await this.#change(table, next);
  }

  /** From here on the table is as `next`; where its rows cannot be known from that, they are loaded again. */
  async #change(table: TrackedTable, next: TableSchema): Promise<TrackedTable> {
    const earlier = table.version.schema;
    const reason = reasonToLoad(earlier, next);
    table.pending = null;
    if (reason !== null) return await this.#load(next, reason);
    if (fingerprintOf(next) === fingerprintOf(earlier)) return table;
    if (next.columns.some(({ name }) => earlier.columns.every((column) => column.name !== name)))
      table.provedAt = await this.options.logEnd();
    table.version = await this.options.journal.schema(next, { kind: 'version' });
    this.#forgetPlans(table.id);
    return table;
  }

  async #altered(id: TableId, { adds, drops, changes, partition }: Alteration): Promise<void> {
    const table = this.#tables.get(tableKey(id));
    if (table === undefined) {
      if (this.#isSelected(id)) await this.#appear(id, 'it appeared in the selection');
      return;
    }
    this.#forgetPlans(id);
    const before = table.pending ?? PERHAPS;
    const pending = {
      altered: true,
      adds: before.adds || adds,
      drops: before.drops || drops,
      changes: before.changes || changes,
    };
    // A column that is dropped and added, or changed twice, may look as it did, with other values in it.
    const several = (pending.adds && pending.drops) || (before.changes && changes) || this.options.place() <= table.provedAt;
    if (!partition && !several) {
      table.pending = pending;
      return;
    }
    const [now] = await this.options.catalog.describe([id]);
    if (now === undefined) return;
    const reason = partition ? 'a partition was truncated, dropped or exchanged' : CHANGED_SEVERAL_TIMES;
    await this.#load(continueFrom(table.version.schema, now), reason);
  }

  /** Loads a table that the stream has nothing of, or of which it has had another. Null: the catalogue does not have it (any more). */
  async #appear(id: TableId, reason: string): Promise<TrackedTable | null> {
    const [now] = await this.options.catalog.describe([id]);
    if (now === undefined) {
      await this.#drop(id);
      return null;
    }
    return await this.#load(now, reason);
  }

  async #load(schema: TableSchema, reason: string): Promise<TrackedTable> {
    const load = this.options.needsLoad(schema, reason);
    const version = await this.options.journal.schema(schema, { kind: 'load', load, reason });
    this.#forgetPlans(schema.id);
    return this.#track(version);
  }

  async #drop(id: TableId): Promise<void> {
    const table = this.#tables.get(tableKey(id));
    if (table === undefined) return;
    this.#tables.delete(tableKey(id));
    this.#forgetPlans(id);
    await this.options.journal.schema(table.version.schema, { kind: 'dropped' });
  }

  #track(version: TableVersion): TrackedTable {
    const table: TrackedTable = { id: version.schema.id, version, pending: null, provedAt: '' };
    this.#tables.set(tableKey(table.id), table);
    return table;
  }

  #isSelected(id: TableId): boolean {
    return this.options.selector.select({ id, kind: 'table', root: null }).selected;
  }

  #remember(number: number, mapped: MappedTable): void {
    if (this.#mapped.size >= MAX_MAPPED) this.#mapped.clear();
    this.#mapped.set(number, mapped);
  }

  /** Plans of the table, and of tables that were not carried: a statement may have made one of them part of the selection. */
  #forgetPlans(id: TableId): void {
    for (const [number, { plan }] of this.#mapped)
      if (plan === null || tableKey(plan.version.schema.id) === tableKey(id)) this.#mapped.delete(number);
  }
}
