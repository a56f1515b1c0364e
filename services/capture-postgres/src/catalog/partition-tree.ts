/**
 * A common table expression `missing (relation, ordinal, value)`: what the rows from before a column was added show in it. A partitioned
 * table has no rows, so its partitions tell, which have one value unless they were attached with another.
 * @param relations the SQL of an array of oids
 */
export function missingValues(relations: string): string {
  return `missing AS (
    SELECT c.oid AS relation, a.attnum AS ordinal, CASE WHEN count(DISTINCT stored.value) = 1 THEN min(stored.value) END AS value
      FROM pg_class c
      CROSS JOIN LATERAL ${partitionTree('c.oid')} part
      CROSS JOIN LATERAL (SELECT attname, (attmissingval::text::text[])[1] AS value FROM pg_attribute WHERE attrelid = part.oid AND atthasmissing) stored
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = stored.attname
     WHERE c.oid = ANY (${relations}) AND (c.relkind = 'p' OR part.oid = c.oid) GROUP BY c.oid, a.attnum)`;
}

/**
 * A subquery of the oids of a partitioned table and of its partitions at every depth; `root` is the SQL of its oid. It reads the catalogue
 * and no more: pg_partition_tree() locks every partition, and so waits for as long as somebody's DDL holds one of them.
 */
export function partitionTree(root: string): string {
  return `(WITH RECURSIVE tree(oid) AS (
    SELECT ${root} UNION ALL SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid) SELECT oid FROM tree)`;
}
