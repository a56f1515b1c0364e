import type { TableId } from '@millrace/contract/table.js';
import { quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { z } from 'zod';
import type { TargetTable } from './target-column.js';

/** A domain is written as its base type: they share binary and text forms, and the domain's checks run on assignment. */
const COLUMNS = `
WITH RECURSIVE base AS (
  SELECT a.attnum, a.attname, a.attgenerated, a.attidentity, a.atttypid AS oid
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attnum, b.attname, b.attgenerated, b.attidentity, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd'
)
SELECT b.attname AS name, b.attgenerated <> '' AS generated, b.attidentity = 'a' AS "identityAlways", t.oid::int8::text AS oid, n.nspname AS schema, t.typname AS type, t.typtype::text AS kind
FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'd' ORDER BY b.attnum`;

const columnRow = z.object({
  name: z.string(),
  generated: z.boolean(),
  identityAlways: z.boolean(),
  oid: z.string(),
  schema: z.string(),
  type: z.string(),
  kind: z.string(),
});

/** The target table as the catalogue shows it now; undefined where it is not there. */
export async function readTargetTable(client: Client, id: TableId): Promise<Omit<TargetTable, 'suspended'> | undefined> {
  const found = await client.query<{ oid: string }>(
    `SELECT c.oid::int8::text AS oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
    [id.schema, id.table],
  );
  const oid = found.rows[0]?.oid;
  if (oid === undefined) return undefined;
  const { rows } = await client.query(COLUMNS, [oid]);
  const columns = z
    .array(columnRow)
    .parse(rows)
    .map(({ name, generated, identityAlways, oid: typeOid, schema, type, kind }) => ({
      name,
      generated,
      identityAlways,
      type: { oid: Number(typeOid), schema, name: type, kind },
    }));
  return { oid: Number(oid), relation: quoteTable(id), columns };
}
