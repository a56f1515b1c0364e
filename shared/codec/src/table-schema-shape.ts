import type { ColumnSchema, LogicalType, TableSchema, TypeDefinition } from '@millrace/contract/table.js';
import { z } from 'zod';

/**
 * The shape of a TableSchema in the registry. Objects are strict: an attribute that this version does not know may change what
 * the rows mean, so it is refused rather than dropped.
 */
const logicalType: z.ZodType<LogicalType> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('boolean') }),
    z.strictObject({ kind: z.literal('integer'), bits: z.union([z.literal(16), z.literal(32), z.literal(64)]) }),
    z.strictObject({ kind: z.literal('float'), bits: z.union([z.literal(32), z.literal(64)]) }),
    z.strictObject({ kind: z.literal('decimal'), precision: z.int().nullable(), scale: z.int().nullable() }),
    z.strictObject({ kind: z.literal('text'), maxLength: z.int().nullable(), padded: z.boolean() }),
    z.strictObject({ kind: z.literal('bytes'), maxLength: z.int().nullable() }),
    z.strictObject({ kind: z.literal('date') }),
    z.strictObject({ kind: z.literal('time'), precision: z.int(), withZone: z.boolean() }),
    z.strictObject({ kind: z.literal('timestamp'), precision: z.int(), withZone: z.boolean() }),
    z.strictObject({ kind: z.literal('interval') }),
    z.strictObject({ kind: z.literal('uuid') }),
    z.strictObject({ kind: z.literal('json') }),
    z.strictObject({ kind: z.literal('enum'), labels: z.array(z.string()) }),
    z.strictObject({ kind: z.literal('array'), element: logicalType }),
    z.strictObject({ kind: z.literal('other') }),
  ]),
);

const columnSchema: z.ZodType<ColumnSchema> = z.strictObject({
  name: z.string(),
  ordinal: z.int(),
  type: logicalType,
  native: z.strictObject({ engine: z.string(), schema: z.string(), name: z.string(), declaration: z.string() }),
  nullable: z.boolean(),
  generated: z.string().nullable(),
  identity: z.enum(['none', 'always', 'by-default', 'serial']),
  default: z.string().nullable(),
  missingValue: z.string().nullable(),
  collation: z.string().nullable(),
});

const typeDefinition: z.ZodType<TypeDefinition> = z.strictObject({
  schema: z.string(),
  name: z.string(),
  kind: z.enum(['enum', 'domain', 'composite', 'range']),
  create: z.string(),
  labels: z.array(z.string()),
});

export const tableSchemaShape: z.ZodType<TableSchema> = z.strictObject({
  id: z.strictObject({ schema: z.string(), table: z.string() }),
  columns: z.array(columnSchema),
  primaryKey: z.array(z.string()),
  primaryKeyName: z.string().nullable(),
  identityColumns: z.array(z.string()),
  replicaIdentity: z.enum(['key', 'full', 'index', 'nothing']),
  types: z.array(typeDefinition),
  extensions: z.array(z.string()),
  storage: z.string().exactOptional(),
});
