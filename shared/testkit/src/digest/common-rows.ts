import type { EndSession } from '../e2e/engine-pair.js';

// The testkit's own judgement of whether two engines' rows are the same; it shares nothing with the product's `verify`. What has no common
// form in SQL gets it here: fractions of seconds, decimals and floats.

interface ColumnShape {
  readonly name: string;
  /** The engine's bare type name, in lower case. */
  readonly type: string;
}

/** Rows of a table as texts that are the same for the same values in every engine, sorted. */
export async function commonRows(end: EndSession, table: string): Promise<readonly string[]> {
  const columns = await shapeOf(end, table);
  if (columns.length === 0) throw new Error(`${end.engine} has no table ${end.schema}.${table}`);
  const quote = end.engine === 'postgres' ? (name: string) => `"${name}"` : (name: string) => `\`${name}\``;
  const list = columns.map((column) => expression(end.engine === 'postgres', quote(column.name), column.type)).join(', ');
  const rows = await end.rows(`SELECT ${list} FROM ${quote(end.schema)}.${quote(table)}`);
  return rows
    .map((row) => columns.map(({ name, type }, index) => `${name}=${commonText(row[index] ?? null, type)}`).join(' '))
    .sort();
}

/** What differs, in words; empty where the tables are equal. */
export async function commonDifferences(
  source: EndSession,
  target: EndSession,
  tables: readonly string[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of tables) {
    const [theirs, ours] = [await commonRows(source, table), await commonRows(target, table)];
    for (const row of lacking(theirs, ours).slice(0, SHOWN)) found.push(`${table}: only in the source: ${row.slice(0, LENGTH)}`);
    for (const row of lacking(ours, theirs).slice(0, SHOWN)) found.push(`${table}: only in the target: ${row.slice(0, LENGTH)}`);
  }
  return found;
}

const SHOWN = 4;
const LENGTH = 300;

/** Rows of the first multiset that the second lacks. */
function lacking(rows: readonly string[], others: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const row of others) left.set(row, (left.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const count = left.get(row) ?? 0;
    left.set(row, count - 1);
    return count <= 0;
  });
}

async function shapeOf(end: EndSession, table: string): Promise<readonly ColumnShape[]> {
  const catalogue = end.engine === 'postgres' ? 'udt_name' : 'DATA_TYPE';
  const rows = await end.rows(
    `SELECT column_name, ${catalogue} FROM information_schema.columns WHERE table_schema = '${end.schema}' AND table_name = '${table}' ORDER BY ordinal_position`,
  );
  return rows.map(([name, type]) => ({ name: name ?? '', type: (type ?? '').toLowerCase() }));
}

const BINARY = /binary$|blob$|^geom|^point$|^linestring$|^polygon$|^multi/;

function expression(isPostgres: boolean, column: string, type: string): string {
  if (isPostgres) {
    if (type === 'bytea') return `encode(${column}, 'hex')`;
    if (type === 'bool') return `CASE WHEN ${column} THEN '1' WHEN NOT ${column} THEN '0' END`;
    if (type === 'float4') return `${column}::float8::text`;
    if (type === 'timestamptz') return `(${column} AT TIME ZONE 'UTC')::text`;
    return `${column}::text`;
  }
  if (BINARY.test(type)) return `LOWER(HEX(${column}))`;
  // A ZEROFILL column and a year print leading zeros, which are no part of the number.
  if (/int$|^year$/.test(type)) return `${column} + 0`;
  if (type === 'bit') return `BIN(${column})`;
  if (type === 'float' || type === 'double') return `${column} + 0e0`;
  return `CONVERT(${column} USING utf8mb4)`;
}

const FLOATS = new Set(['float', 'double', 'float4', 'float8']);
const DECIMALS = new Set(['decimal', 'numeric']);
const TIMES = new Set(['time', 'datetime', 'timestamp', 'timestamptz']);

function commonText(value: string | null, type: string): string {
  if (value === null) return 'NULL';
  if (FLOATS.has(type)) return String(Number(value));
  if ((DECIMALS.has(type) || TIMES.has(type)) && value.includes('.')) return `'${value.replace(/\.?0+$/, '')}'`;
  if (type === 'bit') return `'${value.replace(/^0+(?=.)/, '')}'`;
  return `'${value}'`;
}
