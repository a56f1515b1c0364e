import type { ColumnSchema, ReplicaIdentity, TableId, TableSchema } from '@millrace/contract/table.js';
import type { Client } from 'pg';
import { queryError } from '../query-error.js';
import {
  type ColumnRow,
  queryColumns,
  queryTablesByName,
  queryTablesByOid,
  queryTypes,
  type StoredIdentity,
  type TableRow,
} from './catalog-queries.js';
import { TypeGraph } from './type-graph.js';

/** A table as the catalogue has it, with the identities that tell a renamed or rewritten table from a new one. */
export interface DescribedTable {
  readonly schema: TableSchema;
  readonly oid: number;
  /** Changes with every rewrite and TRUNCATE; 0 for a partitioned table, which holds no rows itself. */
  readonly filenode: number;
  readonly partitioned: boolean;
}

/**
 * The schemas of the tables in the order asked for, as the client's transaction sees them, else as they are now. A table that is
 * not there is missing from the answer. One round of queries whatever the number of tables.
 * @throws MillraceError SOURCE_CONNECTION_LOST, SOURCE_QUERY_FAILED
 */
export async function describeTables(client: Client, ids: readonly TableId[]): Promise<readonly DescribedTable[]> {
  const described = await describe(client, () =>
    queryTablesByName(
      client,
      ids.map((id) => id.schema),
      ids.map((id) => id.table),
    ),
  );
  const place = new Map(ids.map((id, index) => [JSON.stringify([id.schema, id.table]), index]));
  const placeOf = ({ schema: { id } }: DescribedTable): number => place.get(JSON.stringify([id.schema, id.table])) ?? 0;
  return described.toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** The same by pg_class oid, for relations that the stream names. */
export async function describeTablesByOid(client: Client, oids: readonly number[]): Promise<readonly DescribedTable[]> {
  const described = await describe(client, () => queryTablesByOid(client, oids));
  const place = new Map(oids.map((oid, index) => [oid, index]));
  return described.toSorted((a, b) => (place.get(a.oid) ?? 0) - (place.get(b.oid) ?? 0));
}

async function describe(client: Client, queryTables: () => Promise<readonly TableRow[]>): Promise<readonly DescribedTable[]> {
  // One view for all the queries, so that DDL between them cannot mix two versions of a table.
  const own = client.getTransactionStatus() === 'I';
  try {
    if (own) await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const tables = await queryTables();
    const columns = await queryColumns(
      client,
      tables.map((table) => table.oid),
    );
    const types = new TypeGraph(await queryTypes(client, [...new Set(columns.map((column) => column.type_oid))]));
    if (own) await client.query('COMMIT');
    const columnsOf = new Map<number, ColumnRow[]>(tables.map((table) => [table.oid, []]));
    for (const column of columns) columnsOf.get(column.table_oid)?.push(column);
    return tables.map((table) => toDescribed(table, columnsOf.get(table.oid) ?? [], types));
  } catch (cause) {
    // The query's error is the one to tell; a ROLLBACK that fails too has lost its session with its transaction.
    if (own) await client.query('ROLLBACK').catch(() => undefined);
    throw queryError(cause, 'reading the catalogue');
  }
}

function toDescribed(table: TableRow, columns: readonly ColumnRow[], types: TypeGraph): DescribedTable {
  const schemas = columns.map((column) => toColumn(column, types));
  const identity = weakest(table.identities);
  const primaryKey = table.key_columns ?? [];
  return {
    oid: table.oid,
    filenode: table.filenode,
    partitioned: table.kind === 'p',
    schema: {
      id: { schema: table.schema, table: table.table },
      columns: schemas,
      primaryKey,
      primaryKeyName: table.key_name,
      identityColumns: identityColumns(identity, schemas),
      replicaIdentity: REPLICA_IDENTITIES[identity.effective],
      ...types.definitions(columns.map((column) => column.type_oid)),
    },
  };
}

const REPLICA_IDENTITIES = { d: 'key', i: 'index', f: 'full', n: 'nothing' } as const satisfies Record<string, ReplicaIdentity>;

/** From the one that says least about an old row to the one that says most. */
const BY_STRENGTH = ['n', 'd', 'i', 'f'] as const;

/** Leaves of one root may differ: the root can rely only on what every leaf's old rows say. */
function weakest(identities: readonly StoredIdentity[]): StoredIdentity {
  const least = BY_STRENGTH.flatMap((effective) => identities.filter((identity) => identity.effective === effective))[0];
  if (least === undefined) return { effective: 'n', columns: [] };
  const shared = identities.every(
    (identity) => identity.effective === 'f' || least.columns.every((column) => identity.columns.includes(column)),
  );
  return shared ? least : { effective: 'n', columns: [] };
}

function identityColumns(identity: StoredIdentity, columns: readonly ColumnSchema[]): readonly string[] {
  if (identity.effective !== 'f') return identity.effective === 'n' ? [] : identity.columns;
  return columns.filter((column) => column.generated === null).map((column) => column.name);
}

function toColumn(column: ColumnRow, types: TypeGraph): ColumnSchema {
  const type = types.get(column.type_oid);
  return {
    name: column.name,
    ordinal: column.ordinal,
    type: types.logicalType(column.type_oid, column.modifier),
    native: { engine: 'postgresql', schema: type?.schema ?? '', name: type?.name ?? '', declaration: column.declaration },
    nullable: !column.not_null,
    generated: column.generated === '' ? null : column.expression,
    identity: identityOf(column),
    default: column.generated === '' ? column.expression : null,
    missingValue: column.missing,
    collation: column.collation,
  };
}

function identityOf(column: ColumnRow): ColumnSchema['identity'] {
  if (column.identity === 'a') return 'always';
  if (column.identity === 'd') return 'by-default';
  return column.serial ? 'serial' : 'none';
}
