import type { Client } from 'pg';
import { z } from 'zod';

const edgeShape = z.object({ child: z.string(), parent: z.string() });

/**
 * The tables in an order in which each comes after those that its foreign keys refer to: rows go in along it and out against it.
 * Tables that refer to each other in a ring come in any order.
 * @param oids of the tables in the target
 */
export async function parentsFirst(client: Client, oids: readonly number[]): Promise<readonly number[]> {
  if (oids.length < 2) return oids;
  const { rows } = await client.query(
    `SELECT DISTINCT conrelid::int8::text AS child, confrelid::int8::text AS parent FROM pg_catalog.pg_constraint
     WHERE contype = 'f' AND conrelid = ANY ($1::oid[]) AND confrelid = ANY ($1::oid[]) AND conrelid <> confrelid`,
    [oids],
  );
  return inOrder(
    oids,
    z
      .array(edgeShape)
      .parse(rows)
      .map(({ child, parent }) => ({ child: Number(child), parent: Number(parent) })),
  );
}

/** Depth first, parents before their children. */
export function inOrder(
  tables: readonly number[],
  edges: readonly { readonly child: number; readonly parent: number }[],
): readonly number[] {
  const parents = new Map<number, number[]>();
  for (const { child, parent } of edges) parents.set(child, [...(parents.get(child) ?? []), parent]);
  const ordered = new Set<number>();
  const visiting = new Set<number>();
  const visit = (table: number): void => {
    if (ordered.has(table) || visiting.has(table)) return;
    visiting.add(table);
    for (const parent of parents.get(table) ?? []) visit(parent);
    ordered.add(table);
  };
  for (const table of tables) visit(table);
  return [...ordered];
}
