import type { MysqlEngine } from '@millrace/local/mysql-binaries.js';
import { MYSQL_DOCUMENT_VALUES } from './mysql-document-values.js';
import type { MysqlEdgeValue } from './mysql-edge-value.js';
import { MYSQL_NUMBER_VALUES } from './mysql-number-values.js';
import { MYSQL_TEXT_VALUES } from './mysql-text-values.js';
import { MYSQL_TIME_VALUES } from './mysql-time-values.js';

const ALL: readonly MysqlEdgeValue[] = [
  ...MYSQL_NUMBER_VALUES,
  ...MYSQL_TEXT_VALUES,
  ...MYSQL_TIME_VALUES,
  ...MYSQL_DOCUMENT_VALUES,
];

/** Values over all types of the engine that pipes between databases have lost, rounded, shifted or mistaken. */
export function mysqlEdgeValues(engine: MysqlEngine): readonly MysqlEdgeValue[] {
  return ALL.filter((value) => value.engine === null || value.engine === engine);
}

/** A table with one column of one type, all the corpus has for it. */
export interface MysqlEdgeTable {
  /** Short, plain, unique: `t07`. */
  readonly name: string;
  readonly type: string;
  readonly values: readonly MysqlEdgeValue[];
}

/** The corpus, a table per column type, in the corpus's order. */
export function mysqlEdgeTables(engine: MysqlEngine): readonly MysqlEdgeTable[] {
  const byType = new Map<string, MysqlEdgeValue[]>();
  for (const value of mysqlEdgeValues(engine)) byType.set(value.type, [...(byType.get(value.type) ?? []), value]);
  return [...byType].map(([type, values], index) => ({ name: `t${String(index).padStart(3, '0')}`, type, values }));
}

/** Sessions that write the corpus need UTC and the dates that only MySQL has. */
export const MYSQL_EDGE_SESSION =
  "SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'";

/** Creates the table in the database: `id`, a `note` to be changed beside the value, and the value itself. */
export function createMysqlEdgeTable(database: string, { name, type }: MysqlEdgeTable): string {
  const nullable = /^(timestamp)/.test(type) ? ' NULL' : '';
  return `CREATE TABLE ${database}.${name} (id int PRIMARY KEY, note varchar(20), value ${type}${nullable}) DEFAULT CHARSET utf8mb4`;
}

/** Inserts every value of the table with ids from `firstId` on, and a NULL last; one statement each. */
export function insertMysqlEdgeValues(database: string, { name, values }: MysqlEdgeTable, firstId: number): readonly string[] {
  return [...values.map(({ literal }) => literal), 'NULL'].map(
    (literal, index) => `INSERT INTO ${database}.${name} VALUES (${firstId + index}, 'n', ${literal})`,
  );
}
