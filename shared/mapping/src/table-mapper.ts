import type { Finding } from '@millrace/contract/finding.js';
import type { RowFilter } from '@millrace/contract/load.js';
import type { Row } from '@millrace/contract/row.js';
import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { assessTables } from './assess-tables.js';
import { changeFilter } from './filter/filter-change.js';
import type { RowChange, RowOrigin } from './row-change.js';
import type { TableMapping } from './rule.js';
import { filterRule } from './selection/decide.js';
import { tableKey } from './table-name.js';
import { collision } from './transform/collision.js';
import { mapChange, mapRow } from './transform/map-change.js';
import { type MapperSupport, refuseUnsupported } from './transform/support.js';
import { planTable, type TablePlan } from './transform/table-plan.js';

/** One version of a source table, and what the target gets of it. */
export interface MappedTable {
  readonly source: TableSchema;
  /** Names, columns, key and native declarations as they are to be on the target. */
  readonly target: TableSchema;
  /**
   * `identity`: nothing changes. `rename`: names or the key change; rows keep their bytes and columns their order. `rows`: every row
   * goes through `mapRow` or `mapChange`.
   */
  readonly kind: 'identity' | 'rename' | 'rows';
  /** Not null: changes go through `mapChange` whatever the kind is; loaded rows come filtered by the source. */
  readonly filter: RowFilter | null;
  /** A loaded row, in the target's column order. Null: its origin is not known, and a rule that reads it stops. */
  mapRow(row: Row, origin: RowOrigin | null): Row;
  /** Null: the change does not concern the target, by the filter. */
  mapChange(change: RowChange, origin: RowOrigin | null): RowChange | null;
}

export interface TableMapper {
  /**
   * Compiles the rules for a version of a table; call it once per version and keep the result.
   * @throws MillraceError MAPPING_COLLISION where another source table has this target name, and what `assess` would find.
   */
  mapTable(schema: TableSchema): MappedTable;
  /** The same for who only asks: the target name is neither checked nor taken. */
  preview(schema: TableSchema): MappedTable;
  /** The source table is gone, or has another name: its target name is free. */
  forget(source: TableId): void;
  /** Everything that is wrong with the rules for these tables, before anything starts. `changes`: the task also carries changes. */
  assess(schemas: readonly TableSchema[], options: { readonly changes: boolean }): readonly Finding[];
}

/**
 * Applies a task's transformation rules and filters to tables and rows. Keeps who has which target name; nothing else.
 * Rules that need what the caller does not say it `supports` are refused.
 */
export function createTableMapper(mapping: TableMapping, supports: MapperSupport = { insertsOverwrite: false }): TableMapper {
  const owners = new Map<string, TablePlan>();
  return {
    mapTable(schema) {
      const mapped = mapOne(mapping, schema, supports);
      const key = tableKey(mapped.plan.target.id);
      const owner = owners.get(key);
      if (owner !== undefined && tableKey(owner.source.id) !== tableKey(schema.id)) throw collision(owner, mapped.plan);
      owners.set(key, mapped.plan);
      return mapped.table;
    },
    preview: (schema) => mapOne(mapping, schema, supports).table,
    forget(source) {
      for (const [key, owner] of owners) {
        if (tableKey(owner.source.id) === tableKey(source)) owners.delete(key);
      }
    },
    assess: (schemas, options) => assessTables(mapping, schemas, { ...options, supports }),
  };
}

function mapOne(
  mapping: TableMapping,
  schema: TableSchema,
  supports: MapperSupport,
): { readonly plan: TablePlan; readonly table: MappedTable } {
  const plan = planTable(mapping, schema);
  refuseUnsupported(plan, supports);
  const rule = filterRule(mapping, schema.id);
  const filter = rule?.filter ?? null;
  const passes = filter === null || rule === undefined ? null : changeFilter(filter, { rule: rule.rule.id, schema });
  const table: MappedTable = {
    source: schema,
    target: plan.target,
    kind: plan.kind,
    filter,
    mapRow: (row, origin) => mapRow(plan, row, origin),
    mapChange(change, origin) {
      const passed = passes === null ? change : passes(change);
      return passed === null ? null : mapChange(plan, passed, origin);
    },
  };
  return { plan, table };
}
