import type { ColumnSchema, LogicalType, TableId, TableSchema, TypeDefinition } from '@millrace/contract/table.js';
import { quoteLiteral, quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { z } from 'zod';

const columnRow = z.object({
  name: z.string(),
  ordinal: z.int(),
  declaration: z.string(),
  schema: z.string(),
  type: z.string(),
  nullable: z.boolean(),
  generated: z.boolean(),
  identity: z.enum(['', 'a', 'd']),
  serial: z.boolean(),
  expression: z.string().nullable(),
  missing: z.string().nullable(),
  collation: z.string().nullable(),
});

const COLUMNS = `
  SELECT a.attname::text AS name, a.attnum AS ordinal, format_type(a.atttypid, a.atttypmod) AS declaration, n.nspname::text AS schema, t.typname::text AS type,
         NOT a.attnotnull AS nullable, a.attgenerated <> '' AS generated, a.attidentity::text AS identity,
         a.attidentity = '' AND pg_get_serial_sequence($1::regclass::text, a.attname) IS NOT NULL AND a.atthasdef AS serial,
         pg_get_expr(d.adbin, d.adrelid) AS expression,
         CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END AS missing,
         (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
            WHERE co.oid = a.attcollation AND a.attcollation <> t.typcollation) AS collation
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

const keyRow = z.object({ name: z.string(), columns: z.array(z.string()) });

const KEY = `
  SELECT k.conname::text AS name, (SELECT array_agg(a.attname::text ORDER BY place) FROM unnest(k.conkey) WITH ORDINALITY c(attnum, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum) AS columns
  FROM pg_constraint k WHERE k.conrelid = $1::regclass AND k.contype = 'p'`;

const enumRow = z.object({ schema: z.string(), name: z.string(), labels: z.array(z.string()) });

const ENUMS = `
  SELECT DISTINCT n.nspname::text AS schema, t.typname::text AS name,
         (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid) AS labels
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'e'`;

/** A table of a test's source as a capture would describe it, as far as the tests' tables go. */
export async function describeTable(client: Client, id: TableId): Promise<TableSchema> {
  const relation = quoteTable(id);
  const columns = await client.query(COLUMNS, [relation]);
  const keys = await client.query(KEY, [relation]);
  const enums = await client.query(ENUMS, [relation]);
  const [key] = z.array(keyRow).parse(keys.rows);
  const types = z.array(enumRow).parse(enums.rows).map(toType);
  return {
    id,
    columns: z
      .array(columnRow)
      .parse(columns.rows)
      .map((row) => toColumn(row, types)),
    primaryKey: key?.columns ?? [],
    primaryKeyName: key?.name ?? null,
    identityColumns: key?.columns ?? [],
    replicaIdentity: key === undefined ? 'nothing' : 'key',
    types,
    extensions: [],
  };
}

function toType({ schema, name, labels }: z.infer<typeof enumRow>): TypeDefinition {
  return {
    schema,
    name,
    kind: 'enum',
    labels,
    create: `CREATE TYPE ${quoteTable({ schema, table: name })} AS ENUM (${labels.map(quoteLiteral).join(', ')})`,
  };
}

function toColumn(row: z.infer<typeof columnRow>, types: readonly TypeDefinition[]): ColumnSchema {
  const { name, ordinal, nullable, collation } = row;
  return {
    name,
    ordinal,
    nullable,
    collation,
    type: logicalType(row, types),
    native: { engine: 'postgresql', schema: row.schema, name: row.type, declaration: row.declaration },
    generated: row.generated ? row.expression : null,
    identity: row.identity === 'a' ? 'always' : row.identity === 'd' ? 'by-default' : row.serial ? 'serial' : 'none',
    default: row.generated ? null : row.expression,
    missingValue: row.missing,
  };
}

function logicalType({ declaration, schema, type }: z.infer<typeof columnRow>, types: readonly TypeDefinition[]): LogicalType {
  const own = types.find((each) => each.schema === schema && each.name === type);
  if (own !== undefined) return { kind: 'enum', labels: own.labels };
  const [first, second] = (/\((\d+)(?:,(\d+))?\)/.exec(declaration) ?? []).slice(1).map(Number);
  switch (type) {
    case 'bool':
      return { kind: 'boolean' };
    case 'int2':
      return { kind: 'integer', bits: 16 };
    case 'int4':
      return { kind: 'integer', bits: 32 };
    case 'int8':
      return { kind: 'integer', bits: 64 };
    case 'float4':
      return { kind: 'float', bits: 32 };
    case 'float8':
      return { kind: 'float', bits: 64 };
    case 'bytea':
      return { kind: 'bytes', maxLength: null };
    case 'numeric':
      return { kind: 'decimal', precision: first ?? null, scale: second ?? null };
    case 'text':
    case 'varchar':
    case 'bpchar':
      return { kind: 'text', maxLength: first ?? null, padded: type === 'bpchar' };
    default:
      return { kind: 'other' };
  }
}
