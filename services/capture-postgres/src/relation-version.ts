import type { ColumnSchema, ReplicaIdentity, TableSchema } from '@millrace/contract/table.js';
import { systemType } from './catalog/type-map.js';
import type { DeclaredType } from './catalog-session.js';
import type { RelationMessage } from './pgoutput.js';
import type { StoredAttribute } from './stored-tables.js';

/** A relation message with its columns' types resolved. */
export interface ResolvedRelation {
  readonly message: RelationMessage;
  /** In the order of the message's columns. */
  readonly types: readonly (DeclaredType | null)[];
}

/**
 * The rows that follow the message can be written as this version: the same columns of the same types (a leaf may have another
 * order), and old rows that show what the version says identifies them.
 */
export function fits(relation: ResolvedRelation, schema: TableSchema): boolean {
  const flagged = new Set(relation.message.columns.filter(({ key }) => key).map(({ name }) => name));
  if (!schema.identityColumns.every((name) => flagged.has(name))) return false;
  const stored = schema.columns.filter((column) => column.generated === null);
  if (stored.length !== relation.message.columns.length) return false;
  const byName = new Map(stored.map((column) => [column.name, column]));
  return relation.message.columns.every(
    (column, index) => byName.get(column.name)?.native.declaration === relation.types[index]?.declaration,
  );
}

/**
 * The catalogue's version as the rows at this place of the stream may be written with it. The catalogue may be ahead of the stream:
 * a column that was added, filled and only then declared NOT NULL still comes with nulls.
 */
export function lenientVersion(current: TableSchema, earlier: TableSchema): TableSchema {
  const before = new Map(earlier.columns.map((column) => [column.ordinal, column]));
  const columns = current.columns.map((column) => {
    if (column.nullable || column.generated !== null || current.primaryKey.includes(column.name)) return column;
    const old = before.get(column.ordinal);
    const nullable = old === undefined ? column.missingValue === null : old.nullable;
    return nullable ? { ...column, nullable } : column;
  });
  return { ...current, columns };
}

/**
 * The version at this place where the catalogue has moved on already: made from the one before and the message alone.
 * Null: more than one history leads there, and they differ in what old rows hold.
 * @param stored the table's columns as the catalogue has them now, dropped ones included; empty where the table is gone
 */
export function versionFromMessage(
  relation: ResolvedRelation,
  earlier: TableSchema,
  stored: readonly StoredAttribute[],
): TableSchema | null {
  const { message, types } = relation;
  const before = new Map(earlier.columns.map((column) => [column.name, column]));
  const named = new Set(message.columns.map(({ name }) => name));
  const gone = earlier.columns.filter((column) => column.generated === null && !named.has(column.name));
  const newcomers = message.columns.filter(({ name }) => !before.has(name));
  // A column gone and another come: a rename keeps the values, a drop and an add do not.
  if (gone.length > 0 && newcomers.length > 0) return null;

  const lastOrdinal = Math.max(0, ...earlier.columns.map(({ ordinal }) => ordinal));
  const freeOrdinals = stored.filter(({ ordinal }) => ordinal > lastOrdinal).map(({ ordinal }) => ordinal);
  const columns: ColumnSchema[] = earlier.columns.filter((column) => column.generated !== null);
  let next = lastOrdinal;
  for (const [index, { name, typeModifier, key }] of message.columns.entries()) {
    const type = types[index] ?? null;
    const known = before.get(name);
    if (known !== undefined && known.native.declaration === type?.declaration) {
      columns.push(known);
      continue;
    }
    // A type of its own would need its definition, which the catalogue may not have any more.
    if (type?.schema !== 'pg_catalog') return null;
    if (known !== undefined) {
      const retyped = { ...known, ...typeOf(type, typeModifier) };
      if (!keepsValues(known, retyped)) return null;
      columns.push(retyped);
      continue;
    }
    const named = stored.find((column) => column.name === name);
    next = named?.ordinal ?? freeOrdinals.find((ordinal) => ordinal > next) ?? next + 1;
    const now = stored.find(({ ordinal }) => ordinal === next);
    // Retyped since: its rows may have been rewritten, with values that the catalogue does not tell any more.
    if (now !== undefined && now.name !== null && now.declaration !== type.declaration) return null;
    // Dropped since: until the drop follows, older rows have null in it. They must not be told apart by it, though.
    if (now?.name == null && key) return null;
    columns.push({ ...ADDED, name, ordinal: next, missingValue: now?.missingValue ?? null, ...typeOf(type, typeModifier) });
  }
  columns.sort((left, right) => left.ordinal - right.ordinal);
  return { ...earlier, columns, ...identityOf(message, earlier) };
}

/** What of a new column the message does not tell: as lenient as can be, until the catalogue is observed. */
const ADDED = { nullable: true, generated: null, identity: 'none', default: null, collation: null } as const;

function typeOf(type: DeclaredType, typeModifier: number): Pick<ColumnSchema, 'type' | 'native'> {
  return {
    type: systemType(type.name, typeModifier),
    native: { engine: 'postgresql', schema: type.schema, name: type.name, declaration: type.declaration },
  };
}

/**
 * Whether a column of the message that is new since `known` attributes may be another than the one that bears its name in the catalogue:
 * one was dropped since, and the relation's messages look the same for both.
 */
export function mayBeAnother({ message }: ResolvedRelation, known: number, stored: readonly StoredAttribute[]): boolean {
  const since = stored.filter(({ ordinal }) => ordinal > known);
  return (
    since.some(({ name }) => name === null) && message.columns.some(({ name }) => since.some((column) => column.name === name))
  );
}

/** Type changes that PostgreSQL makes without touching rows: texts and numbers whose limit is lifted or raised. */
function keepsValues(old: ColumnSchema, next: ColumnSchema): boolean {
  if (old.type.kind === 'text' && next.type.kind === 'text') {
    if (old.type.padded || next.type.padded) return false;
    return next.type.maxLength === null || (old.type.maxLength !== null && old.type.maxLength <= next.type.maxLength);
  }
  if (old.type.kind === 'decimal' && next.type.kind === 'decimal') {
    if (next.type.precision === null) return true;
    return old.type.precision !== null && old.type.scale === next.type.scale && old.type.precision <= next.type.precision;
  }
  return false;
}

const REPLICA_IDENTITIES: Readonly<Record<string, ReplicaIdentity>> = { d: 'key', i: 'index', f: 'full', n: 'nothing' };

function identityOf(
  message: RelationMessage,
  earlier: TableSchema,
): Pick<TableSchema, 'identityColumns' | 'primaryKey' | 'primaryKeyName' | 'replicaIdentity'> {
  const names = new Set(message.columns.map(({ name }) => name));
  const flagged = message.columns.filter(({ key }) => key).map(({ name }) => name);
  const keyStays = earlier.primaryKey.every((name) => names.has(name));
  return {
    identityColumns: flagged,
    replicaIdentity: flagged.length === 0 ? 'nothing' : (REPLICA_IDENTITIES[message.replicaIdentity] ?? 'nothing'),
    primaryKey: keyStays ? earlier.primaryKey : [],
    primaryKeyName: keyStays ? earlier.primaryKeyName : null,
  };
}
