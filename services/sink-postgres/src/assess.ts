import { conversionFindings } from '@millrace/apply/conversion-findings.js';
import { findingOf } from '@millrace/apply/finding.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TablePreparation } from '@millrace/contract/sink.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { z } from 'zod';
import { type PresentTable, readPresentTables } from './present-table.js';
import { incompatibilities } from './table-compatibility.js';
import { findRelations, type Relation, tableOid } from './target-relation.js';
import { POSTGRESQL, targetSchema } from './target-schema.js';

const OLDEST = 130_000;
const NEWEST = 189_999;
/** A thousand tables asked for one by one took 5,000 round trips; an answer holds up to 1,600 columns of each. */
const TABLES_A_QUESTION = 100;

/** What would stop the task in this target, and what somebody should know before it starts. Reads only, changes nothing. */
export async function assessTarget(
  client: Client,
  versions: readonly TableSchema[],
  preparation: TablePreparation,
): Promise<readonly Finding[]> {
  const tables = versions.map(targetSchema);
  const server = await assessServer(client);
  const findings = [
    ...server,
    ...versions.flatMap((version) => conversionFindings(version, POSTGRESQL)),
    ...(await assessSchemas(client, tables)),
    ...(await assessExtensions(client, tables)),
  ];
  for (let at = 0; at < tables.length; at += TABLES_A_QUESTION)
    findings.push(...(await assessTables(client, tables.slice(at, at + TABLES_A_QUESTION), preparation)));
  return findings;
}

const serverRow = z.object({ standby: z.boolean(), readOnly: z.boolean(), version: z.int(), encoding: z.string() });

async function assessServer(client: Client): Promise<readonly Finding[]> {
  const { rows } = await client.query(`
    SELECT pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::bool AS "readOnly",
           current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding`);
  const { standby, readOnly, version, encoding } = serverRow.parse(rows[0]);
  const findings: Finding[] = [];
  if (standby) findings.push(findingOf('error', 'TARGET_READ_ONLY', 'target', { reason: 'it is a standby' }));
  else if (readOnly)
    findings.push(findingOf('error', 'TARGET_READ_ONLY', 'target', { reason: 'default_transaction_read_only is on' }));
  if (version < OLDEST || version > NEWEST) {
    findings.push(
      findingOf(version < OLDEST ? 'error' : 'warning', 'TARGET_VERSION', 'target', { version: Math.floor(version / 10_000) }),
    );
  }
  if (encoding !== 'UTF8') findings.push(findingOf('warning', 'TARGET_ENCODING', 'target', { encoding }));
  return findings;
}

const schemaRow = z.object({
  name: z.string(),
  there: z.boolean(),
  usable: z.boolean(),
  creatable: z.boolean(),
  database: z.string(),
});

/** The schemas of tables, types and Millrace's own: there and usable, or to be made. */
async function assessSchemas(client: Client, tables: readonly TableSchema[]): Promise<readonly Finding[]> {
  const names = [
    ...new Set(['millrace', ...tables.flatMap(({ id, types }) => [id.schema, ...types.map(({ schema }) => schema)])]),
  ];
  const { rows } = await client.query(
    `SELECT w.name, n.oid IS NOT NULL AS there,
            n.oid IS NOT NULL AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable,
            pg_catalog.has_database_privilege(current_database(), 'CREATE') AS creatable, current_database()::text AS database
     FROM unnest($1::text[]) w(name) LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.name`,
    [names],
  );
  return z
    .array(schemaRow)
    .parse(rows)
    .flatMap(({ name, there, usable, creatable, database }) => {
      if (there && !usable)
        return [findingOf('error', 'TARGET_RIGHT_MISSING', 'target', { right: 'USAGE', object: `schema ${name}` })];
      if (!there && !creatable)
        return [
          findingOf('error', 'TARGET_RIGHT_MISSING', 'target', {
            right: 'CREATE',
            object: `database ${database}, to make the schema ${name} in it`,
          }),
        ];
      return [];
    });
}

/** Types that no definition can make come from an extension. */
async function assessExtensions(client: Client, tables: readonly TableSchema[]): Promise<readonly Finding[]> {
  const wanted = [...new Set(tables.flatMap(({ extensions }) => extensions))];
  if (wanted.length === 0) return [];
  const { rows } = await client.query<{ name: string }>(
    'SELECT w.name FROM unnest($1::text[]) w(name) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = w.name)',
    [wanted],
  );
  return rows.map(({ name }) => {
    const [table] = tables.filter(({ extensions }) => extensions.includes(name));
    return findingOf('error', 'TARGET_EXTENSION_MISSING', 'target', {
      extension: name,
      table: table === undefined ? '' : displayTable(table.id),
    });
  });
}

/** What the catalogue says of the tables of one question. */
interface Catalogue {
  readonly tables: ReadonlyMap<number, PresentTable>;
  readonly rights: ReadonlyMap<number, TableRights>;
  readonly deferrableKeys: readonly DeferrableKey[];
  /** Schemas in which no table may be made. */
  readonly closedSchemas: ReadonlySet<string>;
}

async function assessTables(
  client: Client,
  tables: readonly TableSchema[],
  preparation: TablePreparation,
): Promise<readonly Finding[]> {
  const relations = await findRelations(
    client,
    tables.map(({ id }) => id),
  );
  const oids = relations.flatMap((relation) => (relation === null ? [] : [relation.oid]));
  const schemas = [...new Set(tables.map(({ id }) => id.schema))];
  const catalogue = {
    tables: await readPresentTables(client, oids),
    rights: await readRights(client, oids),
    deferrableKeys: await readDeferrableKeys(client, oids),
    closedSchemas: await readClosedSchemas(client, schemas),
  };
  const findings: Finding[] = [];
  for (const [index, table] of tables.entries())
    findings.push(...(await assessTable(client, table, relations[index] ?? null, preparation, catalogue)));
  return findings;
}

async function assessTable(
  client: Client,
  table: TableSchema,
  relation: Relation | null,
  preparation: TablePreparation,
  { tables, rights, deferrableKeys, closedSchemas }: Catalogue,
): Promise<readonly Finding[]> {
  const where = displayTable(table.id);
  try {
    const oid = tableOid(table.id, relation);
    if (oid === null) return [...(await assessTypes(client, table)), ...assessCreation(table, closedSchemas)];
    const rightFindings = assessRights(rights.get(oid), where);
    if (preparation === 'DROP_AND_CREATE') return [...(await assessTypes(client, table)), ...rightFindings];
    const present = tables.get(oid);
    const mismatches = present === undefined ? [] : incompatibilities(table, present);
    return [
      ...mismatches.map((mismatch) =>
        findingOf('error', 'TARGET_TABLE_INCOMPATIBLE', `${where}.${mismatch.column}`, { table: where, ...mismatch }),
      ),
      ...assessDeferrableKeys(
        deferrableKeys.filter((key) => key.table === oid),
        where,
      ),
      ...rightFindings,
    ];
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return [{ severity: 'error', code: error.code, where, message: error.message, remedy: error.remedy }];
  }
}

/** A column's type that is neither a system type nor to be made: e.g. an extension that lies in another schema of the target. */
async function assessTypes(client: Client, table: TableSchema): Promise<readonly Finding[]> {
  const made = new Set(table.types.map(({ schema, name }) => JSON.stringify([schema, name])));
  const foreign = table.columns.filter(
    ({ native }) => native.schema !== 'pg_catalog' && !made.has(JSON.stringify([native.schema, native.name])),
  );
  if (foreign.length === 0) return [];
  const { rows } = await client.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = w.schema AND t.typname = w.name) AS found
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY w(schema, name, place) ORDER BY place`,
    [foreign.map(({ native }) => native.schema), foreign.map(({ native }) => native.name)],
  );
  return foreign
    .filter((column, index) => rows[index]?.found !== true && !isArrayOfMade(column.native, made))
    .map((column) =>
      findingOf('error', 'TARGET_TYPE_MISSING', `${displayTable(table.id)}.${column.name}`, {
        table: displayTable(table.id),
        column: column.name,
        type: column.native.declaration,
      }),
    );
}

/** PostgreSQL makes the array type `_name` with the type. */
function isArrayOfMade({ schema, name }: { readonly schema: string; readonly name: string }, made: ReadonlySet<string>): boolean {
  return name.startsWith('_') && made.has(JSON.stringify([schema, name.slice(1)]));
}

async function readClosedSchemas(client: Client, schemas: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT nspname::text AS name FROM pg_catalog.pg_namespace
     WHERE nspname = ANY ($1) AND NOT pg_catalog.has_schema_privilege(oid, 'CREATE')`,
    [schemas],
  );
  return new Set(rows.map(({ name }) => name));
}

function assessCreation({ id }: TableSchema, closedSchemas: ReadonlySet<string>): readonly Finding[] {
  if (!closedSchemas.has(id.schema)) return [];
  return [
    findingOf('error', 'TARGET_RIGHT_MISSING', displayTable(id), {
      right: 'CREATE',
      object: `schema ${id.schema}, to make the table ${id.table} in it`,
    }),
  ];
}

const rightsRow = z.object({
  table: z.int(),
  missing: z.array(z.string()),
  owned: z.boolean(),
  policies: z.boolean(),
  /** Foreign keys, triggers and rules that fire in this session. */
  firing: z.array(z.string()),
});

type TableRights = z.output<typeof rightsRow>;

const RIGHTS = `
  SELECT c.oid AS table,
         (SELECT coalesce(array_agg(r), '{}') FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) r WHERE NOT pg_catalog.has_table_privilege(c.oid, r)) AS missing,
         pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
         pg_catalog.row_security_active(c.oid) AS policies,
         (SELECT coalesce(array_agg(DISTINCT coalesce(k.conname, t.tgname)::text), '{}') FROM pg_catalog.pg_trigger t
            LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
            WHERE t.tgrelid = c.oid AND t.tgenabled IN (CASE WHEN current_setting('session_replication_role') = 'replica' THEN 'R' ELSE 'O' END, 'A')) AS firing
  FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)`;

async function readRights(client: Client, oids: readonly number[]): Promise<ReadonlyMap<number, TableRights>> {
  const { rows } = await client.query(RIGHTS, [oids]);
  return new Map(
    z
      .array(rightsRow)
      .parse(rows)
      .map((rights) => [rights.table, rights]),
  );
}

function assessRights(rights: TableRights | undefined, where: string): readonly Finding[] {
  if (rights === undefined) return [];
  const { missing, owned, policies, firing } = rights;
  const findings = missing.map((right) => findingOf('error', 'TARGET_RIGHT_MISSING', where, { right, object: `table ${where}` }));
  if (policies) findings.push(findingOf('error', 'TARGET_ROW_SECURITY', where, { table: where }));
  if (!owned) findings.push(findingOf('warning', 'TARGET_NOT_OWNER', where, { table: where }));
  if (firing.length > 0)
    findings.push(findingOf('warning', 'TARGET_TRIGGERS_FIRE', where, { table: where, triggers: firing.join(', ') }));
  return findings;
}

const deferrableRow = z.object({ table: z.int(), name: z.string(), primary: z.boolean(), replaced: z.boolean() });

type DeferrableKey = z.output<typeof deferrableRow>;

// A trigger checks a deferrable constraint (PostgreSQL manual, CREATE TABLE: the index alone lets duplicates in), and in a session with
// session_replication_role = replica it does not fire unless it is enabled as ALWAYS or REPLICA.
const DEFERRABLE_KEYS = `
  SELECT k.conrelid AS table, k.conname::text AS name, k.contype = 'p' AS primary,
         EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_index own ON own.indexrelid = k.conindid
           WHERE i.indrelid = k.conrelid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
             AND i.indkey::int2[] <@ own.indkey::int2[] AND i.indkey::int2[] @> own.indkey::int2[]) AS replaced
  FROM pg_catalog.pg_constraint k
  WHERE k.conrelid = ANY ($1) AND k.contype IN ('p', 'u') AND k.condeferrable AND current_setting('session_replication_role') = 'replica'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled IN ('R', 'A'))
  ORDER BY 1, 2`;

async function readDeferrableKeys(client: Client, oids: readonly number[]): Promise<readonly DeferrableKey[]> {
  const { rows } = await client.query(DEFERRABLE_KEYS, [oids]);
  return z.array(deferrableRow).parse(rows);
}

/** Keys of the target that let duplicates of replicated rows in; without its primary key, a table's rows could double unnoticed. */
function assessDeferrableKeys(keys: readonly DeferrableKey[], where: string): readonly Finding[] {
  return keys
    .filter(({ replaced }) => !replaced)
    .map(({ name, primary }) =>
      findingOf(primary ? 'error' : 'warning', 'TARGET_KEY_DEFERRABLE', where, { table: where, constraint: name }),
    );
}
