import type { ChunkEncoding } from '@millrace/contract/load.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { TableMapper } from '@millrace/sink-runtime/table-mapper.js';
import type { Task } from './task.js';

const POSTGRES = /^postgres(ql)?:/i;

/** An engine's own bulk format where both ends speak it and no rule changes the table's rows; else rows that every sink reads. */
export function loadEncoding(task: Task): (table: TableSchema) => ChunkEncoding {
  const bulk = POSTGRES.test(task.config.source) && POSTGRES.test(task.config.target);
  const mapper = new TableMapper(task.mapping, task.supports);
  return (table) => (bulk && !mapper.changesRows(table) ? 'postgresql-copy-text' : 'rows');
}

/** No rule changes the table's rows or says what its key is: keys mean the same at both ends, whatever they are called. */
export function keepsKeys(task: Task): (table: TableSchema) => boolean {
  const mapper = new TableMapper(task.mapping, task.supports);
  return (table) => {
    if (mapper.changesRows(table)) return false;
    const target = mapper.target(table);
    const key = ({ columns, primaryKey }: TableSchema): string =>
      JSON.stringify(primaryKey.map((name) => columns.find((column) => column.name === name)?.ordinal));
    return key(table) === key(target);
  };
}
