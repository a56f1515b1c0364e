import { displayTable } from '@millrace/codec/table-key.js';
import type { TableSelector } from '@millrace/contract/capture.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import { quoteIdentifier, quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import type { DescribedTable } from '../catalog/describe-tables.js';
import { partitionTree } from '../catalog/partition-tree.js';
import { filterCondition } from '../row-filter.js';
import { findingOf } from './finding-of.js';

/** What the role may do with a relation of a selected table, and whether the log carries its rows. */
interface RelationFacts {
  readonly root: number;
  readonly schema: string;
  readonly table: string;
  readonly kind: 'r' | 'p' | 'f';
  readonly unlogged: boolean;
  readonly may_use_schema: boolean;
  readonly may_select: boolean;
  readonly owner: string;
  readonly owned: boolean;
  readonly secured: boolean;
  readonly identifiable: boolean;
  /** A publication of Millrace's carries its inserts only: it appeared without an identity while a task ran. */
  readonly inserts_only: boolean;
}

const RELATIONS = `
  WITH tree AS (
    SELECT c.oid AS root, c.oid FROM pg_class c WHERE c.oid = ANY ($1::oid[])
    UNION
    SELECT c.oid, part.oid FROM pg_class c CROSS JOIN LATERAL ${partitionTree('c.oid')} part WHERE c.oid = ANY ($1::oid[]) AND c.relkind = 'p'
  )
  SELECT tree.root, n.nspname AS schema, c.relname AS "table", c.relkind::text AS kind, c.relpersistence = 'u' AS unlogged,
         has_schema_privilege(n.oid, 'USAGE') AS may_use_schema,
         has_table_privilege(c.oid, 'SELECT') OR NOT EXISTS (
           SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
             AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')) AND has_any_column_privilege(c.oid, 'SELECT') AS may_select,
         pg_get_userbyid(c.relowner) AS owner, pg_has_role(c.relowner, 'USAGE') AS owned,
         row_security_active(c.oid) AS secured,
         c.relreplident = 'f' OR EXISTS (
           SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid
             AND (c.relreplident = 'd' AND i.indisprimary AND i.indimmediate OR c.relreplident = 'i' AND i.indisreplident)) AS identifiable,
         EXISTS (SELECT FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid
           WHERE pr.prrelid = tree.root AND p.pubname LIKE 'millrace\\_%\\_inserts') AS inserts_only
  FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  ORDER BY n.nspname, c.relname`;

export interface TablesRequest {
  readonly client: Client;
  readonly tables: readonly DescribedTable[];
  readonly selector: TableSelector;
  readonly role: string;
  /** Millrace is to make a publication of its own, which takes the tables' owner. */
  readonly ownPublication: boolean;
}

export async function assessTables(request: TablesRequest): Promise<readonly Finding[]> {
  const { client, tables } = request;
  const { rows } = await client.query<RelationFacts>(RELATIONS, [tables.map(({ oid }) => oid)]);
  const schemas = new Map(tables.map(({ oid, schema }) => [oid, schema]));
  const findings = rows.flatMap((relation) => {
    const schema = schemas.get(relation.root);
    return schema === undefined ? [] : assessRelation(relation, schema, request);
  });
  for (const { schema } of tables) findings.push(...assessSchema(schema), ...(await assessFilter(schema, request)));
  return findings;
}

function assessRelation(relation: RelationFacts, root: TableSchema, { role, ownPublication }: TablesRequest): readonly Finding[] {
  const where = displayTable(relation);
  const table = displayTable(root.id);
  const quoted = quoteTable(relation);
  const error = (code: Parameters<typeof findingOf>[0], details: Parameters<typeof findingOf>[1]): Finding =>
    findingOf(code, details, { severity: 'error', where });
  const missing = (right: string, grant: string): Finding => error('SOURCE_RIGHT_MISSING', { role, right, grant });
  const grantee = quoteIdentifier(role);
  const isRoot = relation.schema === root.id.schema && relation.table === root.id.table;
  const findings: Finding[] = [];
  if (relation.unlogged || relation.kind === 'f') {
    findings.push(
      error('SOURCE_PARTITION_UNCARRIED', { relation: where, table, kind: relation.unlogged ? 'unlogged' : 'foreign' }),
    );
  }
  if (!relation.may_use_schema) {
    findings.push(
      missing(
        `USAGE on the schema ${relation.schema}`,
        `GRANT USAGE ON SCHEMA ${quoteIdentifier(relation.schema)} TO ${grantee}`,
      ),
    );
  }
  // The rows are read from where they are stored, so a leaf needs the right as well as its root.
  if (!relation.may_select && relation.kind === 'r')
    findings.push(missing(`SELECT on ${where}`, `GRANT SELECT ON ${quoted} TO ${grantee}`));
  if (ownPublication && isRoot && !relation.owned) {
    // Only a table's owner may publish it (CREATE PUBLICATION, Notes).
    const grant = `GRANT ${quoteIdentifier(relation.owner)} TO ${grantee}, or name a publication that the owner made`;
    findings.push(missing(`the ownership of ${where}, for publishing it`, grant));
  }
  if (relation.secured) findings.push(error('SOURCE_ROW_SECURITY', { table: where, role }));
  if (relation.kind === 'r' && !relation.identifiable) {
    const severity = relation.inserts_only ? ('warning' as const) : ('error' as const);
    findings.push(findingOf('TABLE_WITHOUT_IDENTITY', { table: quoted }, { severity, where }));
  }
  return findings;
}

function assessSchema(schema: TableSchema): readonly Finding[] {
  const where = displayTable(schema.id);
  const generated = schema.columns.filter((column) => column.generated !== null && schema.identityColumns.includes(column.name));
  return generated.map((column) =>
    findingOf(
      'SOURCE_GENERATED_IDENTITY',
      { table: where, column: column.name },
      { severity: 'error', where: `${where}.${column.name}` },
    ),
  );
}

/** Lets the source read the condition without reading a row. */
async function assessFilter(schema: TableSchema, { client, selector }: TablesRequest): Promise<readonly Finding[]> {
  const filter = selector.filter(schema.id);
  if (filter === null) return [];
  const where = displayTable(schema.id);
  try {
    await client.query(`SELECT FROM ONLY ${quoteTable(schema.id)} WHERE ${filterCondition(filter, schema)} LIMIT 0`);
    return [];
  } catch (cause) {
    // Without a right or a connection nothing is known about the filter; both are told elsewhere.
    const state = sqlStateOf(cause);
    if (state === '42501') return [];
    if (state === null && !(cause instanceof Error && cause.name === 'MillraceError')) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return [findingOf('SOURCE_FILTER_REFUSED', { table: where, reason }, { severity: 'error', where })];
  }
}
