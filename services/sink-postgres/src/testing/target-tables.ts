import type { TableVersion } from '@millrace/contract/table.js';
import type pg from 'pg';
import { z } from 'zod';
import { quoteQualified } from '../quote-identifier.js';
import type { TargetTable } from '../target-column.js';

const rowShape = z.object({
  relid: z.number(),
  name: z.string(),
  oid: z.number(),
  schema: z.string(),
  type: z.string(),
  kind: z.string(),
  generated: z.boolean(),
  always: z.boolean(),
});

/** The target table of a version straight from the catalogue; domains one level deep. */
export async function readTargetTable(client: pg.Client, version: TableVersion): Promise<TargetTable> {
  const { schema, table } = version.schema.id;
  const { rows } = await client.query(
    `SELECT a.attrelid AS relid, a.attname AS name, b.oid, n.nspname AS schema, b.typname AS type, b.typtype AS kind,
            a.attgenerated <> '' AS generated, a.attidentity = 'a' AS always
       FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
       JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
       JOIN pg_namespace n ON n.oid = b.typnamespace
      WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [quoteQualified(schema, table)],
  );
  const columns = z.array(rowShape).parse(rows);
  return {
    oid: columns[0]?.relid ?? 0,
    relation: quoteQualified(schema, table),
    columns: columns.map(({ name, oid, schema: typeSchema, type, kind, generated, always }) => ({
      name,
      type: { oid, schema: typeSchema, name: type, kind },
      generated,
      identityAlways: always,
    })),
    suspended: false,
  };
}
