import type { ChunkEncoding } from '@millrace/contract/load.js';
import type { TableId } from '@millrace/contract/table.js';
import type { Task } from './task.js';

const POSTGRES = /^postgres(ql)?:/i;

/** An engine's own bulk format where both ends speak it and no rule changes the table's rows; else rows that every sink reads. */
export function loadEncoding(task: Task): (table: TableId) => ChunkEncoding {
  const bulk = POSTGRES.test(task.config.source) && POSTGRES.test(task.config.target);
  return (table) => (bulk && !task.mapping.changesRows(table) ? 'postgresql-copy-text' : 'rows');
}
