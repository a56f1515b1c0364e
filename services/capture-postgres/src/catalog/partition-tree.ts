/**
 * A subquery of the oids of a partitioned table and of its partitions at every depth; `root` is the SQL of its oid. It reads the catalogue
 * and no more: pg_partition_tree() locks every partition, and so waits for as long as somebody's DDL holds one of them.
 */
export function partitionTree(root: string): string {
  return `(WITH RECURSIVE tree(oid) AS (
    SELECT ${root} UNION ALL SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid) SELECT oid FROM tree)`;
}
