import { COMPOUND_VALUES, EDGE_TYPES } from './compound-values.js';
import { DOCUMENT_VALUES } from './document-values.js';
import type { EdgeValue } from './edge-value.js';
import { NUMBER_VALUES } from './number-values.js';
import { SHAPE_VALUES } from './shape-values.js';
import { TEXT_VALUES } from './text-values.js';
import { TIME_VALUES } from './time-values.js';

/** Values over all of PostgreSQL's types that pipes between databases have lost, rounded, shifted or mistaken. */
export const EDGE_VALUES: readonly EdgeValue[] = [
  ...NUMBER_VALUES,
  ...TEXT_VALUES,
  ...TIME_VALUES,
  ...DOCUMENT_VALUES,
  ...SHAPE_VALUES,
  ...COMPOUND_VALUES,
];

/** What a server can hold. */
export interface ServerAbilities {
  /** Major version: 13, 14, … */
  readonly version: number;
  /** Extensions that `CREATE EXTENSION` knows. */
  readonly extensions: ReadonlySet<string>;
}

/** A table with one column of one type, all the corpus has for it. */
export interface EdgeTable {
  /** Short, plain, unique: `t07`. */
  readonly name: string;
  readonly type: string;
  readonly values: readonly EdgeValue[];
}

/** The corpus as far as the server can hold it, a table per column type, in the corpus's order. */
export function edgeTables({ version, extensions }: ServerAbilities): EdgeTable[] {
  const held = EDGE_VALUES.filter(
    ({ since, extension }) => since <= version && (extension === null || extensions.has(extension)),
  );
  const byType = new Map<string, EdgeValue[]>();
  for (const value of held) byType.set(value.type, [...(byType.get(value.type) ?? []), value]);
  return [...byType].map(([type, values], index) => ({ name: `t${String(index).padStart(3, '0')}`, type, values }));
}

/** Statements that make the schema `edge`, the extensions and the types that the tables need. */
export function edgePrelude(tables: readonly EdgeTable[]): string[] {
  const extensions = new Set(tables.flatMap(({ values }) => values.flatMap(({ extension }) => extension ?? [])));
  return ['CREATE SCHEMA edge', ...[...extensions].map((name) => `CREATE EXTENSION IF NOT EXISTS ${name}`), ...EDGE_TYPES];
}

/** Creates the table in schema `edge`: `id`, a `note` to be changed beside the value, and the value itself. */
export function createEdgeTable({ name, type }: EdgeTable): string {
  return `CREATE TABLE edge.${name} (id integer PRIMARY KEY, note text, value ${type})`;
}

/** Inserts every value of the table with ids from `firstId` on, and a NULL last. */
export function insertEdgeValues({ name, values }: EdgeTable, firstId: number): string {
  const rows = [...values.map(({ literal }) => literal), 'NULL'].map((literal, index) => `(${firstId + index}, 'n', ${literal})`);
  return rows.map((row) => `INSERT INTO edge.${name} VALUES ${row}`).join(';\n');
}
