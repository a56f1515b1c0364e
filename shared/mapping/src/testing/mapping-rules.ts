import type { Row } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { expect } from 'vitest';
import { parseTableMappings } from '../parse.js';
import type { RowChange, RowOrigin } from '../row-change.js';
import { createTableMapper, type TableMapper } from '../table-mapper.js';

export const SELECT = {
  'rule-type': 'selection',
  'rule-id': '1',
  'rule-name': 'all',
  'object-locator': { 'schema-name': '%', 'table-name': '%' },
  'rule-action': 'include',
};
export const ORIGIN: RowOrigin = {
  phase: 'changes',
  position: '00000000016b3748',
  transactionId: '731',
  timeMicros: 1_709_210_096_789_012n,
  clockMicros: 1_709_210_097_000_000n,
  changeNumber: 42n,
};
export const LOADED: RowOrigin = { phase: 'load', timeMicros: 1_709_210_096_789_012n };
export const ALL = { insertsOverwrite: true };

/** Rules with ids from 2 on, in the order given. */
export function mapper(...rules: readonly object[]): TableMapper {
  const numbered = rules.map((rule, index) => ({
    'rule-type': 'transformation',
    'rule-id': String(index + 2),
    'rule-name': `r${index + 2}`,
    ...rule,
  }));
  return createTableMapper(parseTableMappings(JSON.stringify({ rules: [SELECT, ...numbered] })), ALL);
}

export const locate = (names: { schema?: string; table?: string; column?: string }) => ({
  'schema-name': names.schema ?? '%',
  ...(names.table === undefined ? {} : { 'table-name': names.table }),
  ...(names.column === undefined ? {} : { 'column-name': names.column }),
});
export const onSchema = (action: string, more: object = {}, schema = 'public') => ({
  'rule-target': 'schema',
  'rule-action': action,
  'object-locator': locate({ schema }),
  ...more,
});
export const onTable = (action: string, more: object = {}, name = '%') => ({
  'rule-target': 'table',
  'rule-action': action,
  'object-locator': locate({ schema: 'public', table: name }),
  ...more,
});
export const onColumn = (action: string, name: string, more: object = {}) => ({
  'rule-target': 'column',
  'rule-action': action,
  'object-locator': locate({ schema: 'public', table: '%', column: name }),
  ...more,
});
export const addColumn = (value: string, expression: string | undefined, type: object = { type: 'string' }) => ({
  'rule-target': 'column',
  'rule-action': 'add-column',
  'object-locator': locate({ schema: 'public', table: '%' }),
  value,
  expression,
  'data-type': type,
});
export const refused = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });
export const names = (schema: TableSchema) => schema.columns.map((one) => one.name);
export const load = (one: TableMapper, schema: TableSchema, row: Row) => one.mapTable(schema).mapRow(row, LOADED);
export const change = (one: TableMapper, schema: TableSchema, input: RowChange) => one.mapTable(schema).mapChange(input, ORIGIN);
