import { fingerprintOf } from '@millrace/codec/fingerprint.js';
import { displayTable, tableKey } from '@millrace/codec/table-key.js';
import type { EventWriter, SchemaChange } from '@millrace/contract/events.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Observation, ObservedTable } from './catalog-observer.js';
import type { CatalogSession } from './catalog-session.js';
import { readLeaf } from './catalog-state.js';
import type { LsnKey } from './lsn.js';
import type { RelationMessage, TruncateMessage } from './pgoutput.js';
import { fits, lenientVersion, mayBeAnother, type ResolvedRelation, versionFromMessage } from './relation-version.js';
import { compileRowPlan, type RowPlan } from './row-translator.js';
import { formatStorageNote, parseStorageNote, rewriteReason, type StorageNote } from './storage-note.js';
import { readAttributes, readTablesByOid } from './stored-tables.js';
import type { RelationPlans } from './transaction-decoder.js';

const UNPUBLISHED = 'it could not be published';
const CHANGED_SEVERAL_TIMES = 'its columns changed several times in a row';

/** A table of the selection as the stream stands with it. */
interface TrackedTable {
  readonly oid: number;
  readonly id: TableId;
  /** The version that rows are written as. */
  version: TableVersion;
  /** How its rows are stored, as of the last observation: never older than the version's own note. */
  note: StorageNote;
  /** Why its rows have to be loaded (again). Until an observation announces the load its changes are not carried: the load has them. */
  awaiting: string | null;
}

export interface SchemaTrackerOptions {
  readonly catalog: CatalogSession;
  readonly journal: EventWriter;
  /** What the stream subscribes to. */
  readonly publications: readonly string[];
  readonly known: readonly TableVersion[];
  readonly needsLoad: (table: TableSchema, reason: string) => string;
  /** Asks for an observation of the catalogue soon. */
  readonly wake: () => void;
  /** StreamOptions.onAwaitingLoad */
  readonly onAwaitingLoad?: (tables: number) => void;
}

/**
 * Knows, at every place of the stream, which version of its table a row belongs to. Two sources are brought together: relation messages,
 * which are exact in place but tell only names and types, and observations of the catalogue, which tell everything and hold at a known
 * place. A change that the stream does not carry ends in a load of that table, announced by the next observation.
 */
export class SchemaTracker implements RelationPlans {
  /** By the table's oid: the root's, where it has partitions. */
  readonly #tables = new Map<number, TrackedTable>();
  /** By the oid of a relation that holds rows. */
  readonly #tableOf = new Map<number, TrackedTable>();
  readonly #latest = new Map<number, { readonly relation: ResolvedRelation; readonly number: number }>();
  readonly #plans = new Map<number, RowPlan | null>();
  readonly #applied = new Map<number, string>();
  #appliedTypes = '';
  #messages = 0;
  #pending: Observation | null = null;

  constructor(private readonly options: SchemaTrackerOptions) {
    for (const version of options.known) {
      const note = parseStorageNote(version.schema.storage ?? '');
      // A version without a note is none of this connector's: its table appears, and is loaded.
      if (note !== null) this.#track({ oid: note.oid, id: version.schema.id, version, note, awaiting: note.awaiting });
    }
  }

  /** By the oid of every table tracked: the stamp of its state that was taken over, empty before the first. */
  get applied(): ReadonlyMap<number, string> {
    return this.#applied;
  }

  get appliedTypes(): string {
    return this.#appliedTypes;
  }

  get messages(): number {
    return this.#messages;
  }

  /** Tells how many tables wait for their load to be announced. One that cannot be published is set aside, and waits for its owner. */
  tellAwaiting(): void {
    const awaiting = [...this.#tables.values()].filter((table) => table.awaiting !== null && table.awaiting !== UNPUBLISHED);
    this.options.onAwaitingLoad?.(awaiting.length);
  }

  /** An observation waits for its place in the stream. */
  get busy(): boolean {
    return this.#pending !== null;
  }

  /** Takes an observation; it counts from its place in the stream on. */
  observed(observation: Observation): void {
    this.#pending = observation;
  }

  plan(oid: number): RowPlan | null {
    const plan = this.#plans.get(oid);
    if (plan !== undefined) return plan;
    const latest = this.#latest.get(oid);
    if (latest === undefined)
      throw new MillraceError('SOURCE_PROTOCOL', { what: `a row of relation ${oid} without its relation message` });
    // A commit may be in the log before it is visible (synchronous replication), so an observation can be older than its place.
    throw new MillraceError('SOURCE_SCHEMA_UNSETTLED', {
      table: `${latest.relation.message.schema}.${latest.relation.message.table}`,
    });
  }

  async relation(message: RelationMessage): Promise<void> {
    const number = ++this.#messages;
    const relation = { message, types: await this.options.catalog.declaredTypes(message) };
    this.#latest.set(message.oid, { relation, number });
    const table = this.#tableOf.get(message.oid) ?? (await this.#adoptLeaf(message));
    this.#plans.set(message.oid, table === null ? null : await this.#planFor(relation, table));
  }

  async truncate(message: TruncateMessage, begin: () => void): Promise<void> {
    const truncated = new Map<TrackedTable, Set<number>>();
    for (const oid of message.oids) {
      const table = this.#tableOf.get(oid);
      if (table === undefined || table.awaiting !== null) continue;
      const relations = truncated.get(table) ?? new Set();
      truncated.set(table, relations.add(oid));
    }
    const whole: TableVersion[] = [];
    for (const [table, oids] of truncated) {
      if ([...table.note.relations.keys()].every((oid) => oids.has(oid))) whole.push(table.version);
      else await this.#awaitLoad(table, 'one of its partitions was truncated');
    }
    if (whole.length === 0) return;
    begin();
    this.options.journal.truncate(whole, { cascade: message.cascade, restartIdentity: message.restartIdentity });
  }

  reached(key: LsnKey): Promise<void> | undefined {
    const pending = this.#pending;
    if (pending === null || key < pending.at) return undefined;
    this.#pending = null;
    return this.#apply(pending);
  }

  // Relation messages

  /** A leaf that no observation has told of yet: its root is asked from the catalogue. Null: none that is carried. */
  async #adoptLeaf({ oid }: RelationMessage): Promise<TrackedTable | null> {
    const leaf = await this.options.catalog.run((client) => readLeaf(client, oid));
    this.options.wake();
    const table = leaf === null ? undefined : this.#tables.get(leaf.root);
    if (leaf === null || table === undefined) return null;
    this.#tableOf.set(oid, table);
    if (!leaf.createdInPlace && table.awaiting === null) await this.#awaitLoad(table, 'a partition was attached');
    return table;
  }

  async #planFor(relation: ResolvedRelation, table: TrackedTable): Promise<RowPlan | null> {
    if (table.awaiting !== null) return null;
    const { message } = relation;
    if (message.oid === table.oid && (message.schema !== table.id.schema || message.table !== table.id.table))
      return this.#awaitLoad(table, 'it was renamed');
    if (!fits(relation, table.version.schema)) {
      const change = await this.#changedVersion(relation, table);
      if (typeof change === 'string') return this.#awaitLoad(table, change);
      table.version = await this.options.journal.schema(change, { kind: 'version' });
      // What the version leaves open (defaults, keys, NOT NULL) follows with the observation.
      this.options.wake();
    }
    return compileRowPlan(message, table.version, table.version.schema);
  }

  /** The version that the message tells of, or why only a load brings it. */
  async #changedVersion(relation: ResolvedRelation, table: TrackedTable): Promise<TableSchema | string> {
    const earlier = table.version.schema;
    const { catalog } = this.options;
    const attributes = await catalog.run((client) => readAttributes(client, table.oid));
    if (mayBeAnother(relation, knownAttributes(table), attributes)) return CHANGED_SEVERAL_TIMES;
    const [now] = await catalog.run((client) => readTablesByOid(client, [table.oid], this.options.publications));
    if (now !== undefined && fits(relation, now.schema))
      return rewriteReason({ schema: earlier, note: table.note }, now) ?? lenientVersion(now.schema, earlier);
    return versionFromMessage(relation, earlier, attributes) ?? CHANGED_SEVERAL_TIMES;
  }

  /**
   * From here on the table's changes are left to a load, which the next observation announces. The journal is told at once: whoever
   * goes on from behind this place after a crash must know that changes are missing.
   */
  async #awaitLoad(table: TrackedTable, reason: string): Promise<null> {
    table.awaiting = reason;
    this.tellAwaiting();
    const storage = formatStorageNote({ ...table.note, awaiting: reason });
    table.version = await this.#announce({ ...table.version.schema, storage }, { kind: 'version' });
    for (const [oid, of] of this.#tableOf) {
      if (of === table && this.#plans.has(oid)) this.#plans.set(oid, null);
    }
    this.#applied.set(table.oid, '');
    this.options.wake();
    return null;
  }

  // Observations

  async #apply(observation: Observation): Promise<void> {
    const { state, changed } = observation;
    if (state.typesStamp !== this.#appliedTypes) this.options.catalog.forgetTypes();
    this.#appliedTypes = state.typesStamp;
    await this.#announceGone(observation);
    for (const observed of changed.values()) await this.#applyTable(observed, observation);
    this.tellAwaiting();
  }

  /** Only what is gone from the catalogue was dropped: where something else has the name, the copy stays, and says why it stands still. */
  async #announceGone({ state }: Observation): Promise<void> {
    const carried = new Set([...state.tables.values()].map(({ id }) => tableKey(id)));
    for (const table of this.#tables.values()) {
      const now = state.tables.get(table.oid);
      if (now !== undefined && tableKey(now.id) === tableKey(table.id)) continue;
      this.#forget(table);
      // A table of the same name that was made anew is loaded in its place.
      const name = tableKey(table.id);
      if (carried.has(name)) continue;
      const change = state.names.has(name) ? notCarried(table.id) : ({ kind: 'dropped' } as const);
      await this.#announce(table.version.schema, change);
    }
  }

  #forget(table: TrackedTable): void {
    this.#tables.delete(table.oid);
    this.#applied.delete(table.oid);
    for (const [relation, of] of this.#tableOf) {
      if (of !== table) continue;
      this.#tableOf.delete(relation);
      if (this.#plans.has(relation)) this.#plans.set(relation, null);
    }
  }

  async #applyTable(observed: ObservedTable, observation: Observation): Promise<void> {
    const table = this.#tables.get(observed.oid);
    if (observed.refused !== null) {
      await this.#setAside(observed, observed.refused);
      return;
    }
    if (table === undefined) {
      await this.#load(observed, 'it appeared in the selection');
      return;
    }
    // The stream has told of a newer state since: the next observation will know it.
    if (this.#isOutdated(observed, observation)) return;
    const reason = table.awaiting ?? reasonToLoad(table, observed);
    if (reason !== null) {
      await this.#load(observed, reason);
      return;
    }
    if (saysSomethingNew(observed.schema, table.version.schema))
      table.version = await this.#announce(observed.schema, { kind: 'version' });
    this.#takeOver(table, observed);
  }

  #isOutdated({ state, schema }: ObservedTable, { messagesBefore }: Observation): boolean {
    return [...state.relations.keys()].some((oid) => {
      const latest = this.#latest.get(oid);
      return latest !== undefined && latest.number > messagesBefore && !fits(latest.relation, schema);
    });
  }

  async #load(observed: ObservedTable, reason: string): Promise<void> {
    const { oid, schema, note } = observed;
    const load = this.options.needsLoad(schema, reason);
    const version = await this.#announce(schema, { kind: 'load', load, reason });
    this.#takeOver({ oid, id: schema.id, version, note, awaiting: null }, observed);
  }

  /** The source does not let the table be published: it alone stays behind, and comes with a load once it can. */
  async #setAside(observed: ObservedTable, { code, message }: MillraceError): Promise<void> {
    const { oid, note, schema } = observed;
    const storage = formatStorageNote({ ...note, awaiting: UNPUBLISHED });
    const version = await this.#announce({ ...schema, storage }, { kind: 'error', code, message });
    this.#takeOver({ oid, id: schema.id, version, note, awaiting: UNPUBLISHED }, observed);
  }

  /** The table is as observed from here on; its rows' plans are made anew from the relations' latest messages. */
  #takeOver(table: TrackedTable, { note, state }: ObservedTable): void {
    table.note = note;
    this.#track(table);
    this.#applied.set(table.oid, state.stamp);
    for (const relation of note.relations.keys()) {
      const latest = this.#latest.get(relation)?.relation;
      if (latest === undefined) continue;
      if (table.awaiting !== null) {
        this.#plans.set(relation, null);
        continue;
      }
      // A message from before the change does not fit: the server sends another before the relation's next row.
      if (fits(latest, table.version.schema))
        this.#plans.set(relation, compileRowPlan(latest.message, table.version, table.version.schema));
      else this.#plans.delete(relation);
    }
  }

  #track(table: TrackedTable): void {
    this.#tables.set(table.oid, table);
    if (!this.#applied.has(table.oid)) this.#applied.set(table.oid, '');
    for (const [relation, of] of this.#tableOf) {
      if (of.oid !== table.oid || table.note.relations.has(relation)) continue;
      this.#tableOf.delete(relation);
      if (this.#plans.has(relation)) this.#plans.set(relation, null);
    }
    for (const relation of table.note.relations.keys()) this.#tableOf.set(relation, table);
  }

  #announce(schema: TableSchema, change: SchemaChange): Promise<TableVersion> {
    return this.options.journal.schema(schema, change);
  }
}

/** How many columns the table has had when its note was taken, dropped ones included. */
function knownAttributes({ oid, note, version }: TrackedTable): number {
  const last = Math.max(0, ...version.schema.columns.map(({ ordinal }) => ordinal));
  return Math.max(last, note.relations.get(oid)?.writtenBy.length ?? 0);
}

function notCarried(id: TableId): SchemaChange {
  const { code, message } = new MillraceError('TABLE_NOT_CARRIED', { table: displayTable(id) });
  return { kind: 'error', code, message };
}

function reasonToLoad(table: TrackedTable, { state, schema, note }: ObservedTable): string | null {
  if (table.version.schema.replicaIdentity === 'nothing' && schema.replicaIdentity !== 'nothing')
    return 'its old rows can be named from now on';
  if (leftPublication(table, note, schema)) return 'it was out of the publication for a while';
  const known = table.note.relations;
  if ([...known.keys()].some((oid) => !note.relations.has(oid))) return 'a partition was detached or dropped';
  if ([...state.relations.values()].some(({ oid, createdInPlace }) => !known.has(oid) && !createdInPlace))
    return 'a partition was attached';
  return rewriteReason({ schema: table.version.schema, note: table.note }, { schema, note });
}

/** Somebody took it out, and what changed until it was back is not in the stream. Another identity moves it between publications, though. */
function leftPublication({ note, version }: TrackedTable, now: StorageNote, schema: TableSchema): boolean {
  if (version.schema.replicaIdentity !== schema.replicaIdentity) return false;
  return note.membership !== '' && note.membership !== now.membership;
}

/** A new filenode alone (TRUNCATE, VACUUM FULL) is no new version; another set of partitions is one, so that its note tells them. */
function saysSomethingNew(schema: TableSchema, earlier: TableSchema): boolean {
  const relations = ({ storage }: TableSchema): string => [...(parseStorageNote(storage ?? '')?.relations.keys() ?? [])].join();
  const meaning = ({ storage: _, ...rest }: TableSchema): string => fingerprintOf(rest);
  return meaning(schema) !== meaning(earlier) || relations(schema) !== relations(earlier);
}
