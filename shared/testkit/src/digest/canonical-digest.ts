import pg from 'pg';

/** A table by its unquoted name. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** URLs of the two databases. */
export interface Ends {
  readonly source: string;
  readonly target: string;
}

export interface TableDigest {
  /** Columns in their order: name, declared type, not-null, generated, identity, collation. Empty: the table is not there. */
  readonly columns: readonly string[];
  readonly primaryKey: readonly string[];
  readonly rows: number;
  /** MD5 over the sorted MD5s of the rows' texts: a multiset's, whatever the order on disk. */
  readonly digest: string;
}

/**
 * What makes the same value the same text on every server. Time zone and formats are the session's; a float's digits are all of
 * them from `extra_float_digits` 1 on.
 */
const CANONICAL_SETTINGS =
  "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 3; SET LOCAL lc_monetary = 'C'; SET LOCAL search_path = pg_catalog; SET LOCAL xmlbinary = 'base64'";

/** Digests of the tables, all in one snapshot; computed by the server, value by value from its own output functions. */
export async function digestTables(
  client: pg.Client,
  tables: readonly TableName[],
  ignoredColumn: string | null = null,
): Promise<TableDigest[]> {
  return await inSnapshot(client, async () => {
    const digests: TableDigest[] = [];
    for (const table of tables) digests.push(await digestTable(client, table, ignoredColumn));
    return digests;
  });
}

/**
 * What differs between two databases' copies of the tables, in words with the first few rows of each; empty where they are equal.
 * This is the testkit's own judgement and shares nothing with the product's `verify`. `ignoredColumn` is one that a mapping rule adds.
 */
export async function differences(
  { source: sourceUrl, target: targetUrl }: Ends,
  tables: readonly TableName[],
  ignoredColumn: string | null = null,
): Promise<string[]> {
  const source = new pg.Client({ connectionString: sourceUrl });
  const target = new pg.Client({ connectionString: targetUrl });
  try {
    await Promise.all([source.connect(), target.connect()]);
    const [theirs, ours] = await Promise.all([
      digestTables(source, tables, ignoredColumn),
      digestTables(target, tables, ignoredColumn),
    ]);
    const found: string[] = [];
    for (const [index, table] of tables.entries()) {
      const [one, other] = [theirs[index], ours[index]];
      if (one === undefined || other === undefined) continue;
      const name = `${quote(table.schema)}.${quote(table.table)}`;
      if (other.columns.length === 0 && one.columns.length > 0) found.push(`${name} is not there`);
      else found.push(...differingShape(one, other).map((what) => `${name}: ${what}`));
      if (one.digest === other.digest && one.rows === other.rows) continue;
      if (one.columns.length === 0 || other.columns.length === 0) continue;
      found.push(
        `${name}: ${one.rows} rows in the source, ${other.rows} in the target`,
        ...(await differingRows({ source, target, table, ignoredColumn })).map((what) => `${name}: ${what}`),
      );
    }
    return found;
  } finally {
    await Promise.all([source.end(), target.end()]);
  }
}

function differingShape(one: TableDigest, other: TableDigest): string[] {
  const pairs: [what: string, theirs: readonly string[], ours: readonly string[]][] = [
    ['columns', one.columns, other.columns],
    ['primary key', one.primaryKey, other.primaryKey],
  ];
  return pairs.flatMap(([what, theirs, ours]) => {
    if (JSON.stringify(theirs) === JSON.stringify(ours)) return [];
    return [
      `${what} (${theirs.filter((name) => !ours.includes(name)).join('; ')}) became (${ours.filter((name) => !theirs.includes(name)).join('; ')})`,
    ];
  });
}

interface RowComparison {
  readonly source: pg.Client;
  readonly target: pg.Client;
  readonly table: TableName;
  readonly ignoredColumn: string | null;
}

const SHOWN_ROWS = 4;
const SHOWN_CHARACTERS = 300;

async function differingRows({ source, target, table, ignoredColumn }: RowComparison): Promise<string[]> {
  const [theirs, ours] = await Promise.all([rowTexts(source, table, ignoredColumn), rowTexts(target, table, ignoredColumn)]);
  const missing = lacking(theirs, ours).map((row) => `only in the source: ${row}`);
  const extra = lacking(ours, theirs).map((row) => `only in the target: ${row}`);
  return [...missing.slice(0, SHOWN_ROWS), ...extra.slice(0, SHOWN_ROWS)];
}

/** Rows of the first multiset that the second lacks, as shown to people. */
function lacking(rows: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const row of others) left.set(row, (left.get(row) ?? 0) + 1);
  return rows
    .filter((row) => {
      const count = left.get(row) ?? 0;
      left.set(row, count - 1);
      return count <= 0;
    })
    .map((row) => (row.length > SHOWN_CHARACTERS ? `${row.slice(0, SHOWN_CHARACTERS)}… (${row.length} characters)` : row));
}

async function rowTexts(client: pg.Client, table: TableName, ignoredColumn: string | null): Promise<string[]> {
  return await inSnapshot(client, async () => {
    const columns = (await columnsOf(client, table)).filter(({ name }) => name !== ignoredColumn);
    const { rows } = await client.query<{ row: string }>(`SELECT ${rowText(columns)} AS row FROM ${from(table, columns)} t`);
    return rows.map(({ row }) => row);
  });
}

async function digestTable(client: pg.Client, table: TableName, ignoredColumn: string | null): Promise<TableDigest> {
  const columns = (await columnsOf(client, table)).filter(({ name }) => name !== ignoredColumn);
  if (columns.length === 0 && !(await exists(client, table))) return { columns: [], primaryKey: [], rows: 0, digest: '' };
  const { rows } = await client.query<{ rows: number; digest: string }>(
    `SELECT count(*)::int AS rows, md5(coalesce(string_agg(hash, '' ORDER BY hash COLLATE "C"), '')) AS digest
     FROM (SELECT md5(${rowText(columns)}) AS hash FROM ${from(table, columns)} t) hashed`,
  );
  const key = await client.query<{ name: string }>(
    `SELECT a.attname AS name FROM pg_constraint c, unnest(c.conkey) WITH ORDINALITY k (attnum, place), pg_attribute a
     WHERE c.contype = 'p' AND c.conrelid = format('%I.%I', $1::text, $2::text)::regclass AND a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.place`,
    [table.schema, table.table],
  );
  const [row] = rows;
  return {
    columns: columns.map(({ shape }) => shape),
    primaryKey: key.rows.map(({ name }) => name),
    rows: row?.rows ?? 0,
    digest: row?.digest ?? '',
  };
}

interface Column {
  readonly name: string;
  readonly shape: string;
  /** Of a partitioned table, whose rows lie in its leaves. */
  readonly partitioned: boolean;
}

async function columnsOf(client: pg.Client, { schema, table }: TableName): Promise<readonly Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT a.attname AS name, c.relkind = 'p' AS partitioned,
            format('%I %s%s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' END,
                   CASE WHEN a.attgenerated <> '' THEN ' generated ' || pg_get_expr(d.adbin, d.adrelid) END,
                   CASE a.attidentity WHEN 'a' THEN ' identity always' WHEN 'd' THEN ' identity by default' END,
                   CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || a.attcollation::regcollation END) AS shape
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [schema, table],
  );
  return rows;
}

async function exists(client: pg.Client, { schema, table }: TableName): Promise<boolean> {
  const { rows } = await client.query(
    "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
    [schema, table],
  );
  return rows.length > 0;
}

/**
 * A row as one text in which no two different rows are alike: each value by its type's output function with its length before it.
 * `format('%s')` keeps a char(n)'s padding, which a cast to text drops; `num_nulls` tells NULL from a composite of NULLs, which
 * `IS NULL` does not.
 */
function rowText(columns: readonly Column[]): string {
  const values = columns.map(({ name }) => {
    const value = `t.${quote(name)}`;
    return `CASE num_nulls(${value}) WHEN 1 THEN 'null;' ELSE octet_length(format('%s', ${value})) || ':' || format('%s', ${value}) || ';' END`;
  });
  return values.length === 0 ? "''" : values.join(' || ');
}

/** ONLY a table's own rows: an inheritance tree's tables are compared one by one, a partitioned table with all its leaves. */
function from({ schema, table }: TableName, columns: readonly Column[]): string {
  return `${columns.some(({ partitioned }) => partitioned) ? '' : 'ONLY '}${quote(schema)}.${quote(table)}`;
}

async function inSnapshot<T>(client: pg.Client, read: () => Promise<T>): Promise<T> {
  await client.query(`BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; ${CANONICAL_SETTINGS}`);
  try {
    return await read();
  } finally {
    await client.query('COMMIT');
  }
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
