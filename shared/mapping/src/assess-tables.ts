import type { Finding } from '@millrace/contract/finding.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { columnsBeyondIdentity } from './filter/filter-change.js';
import { evaluateFilter } from './filter/row-predicate.js';
import { findingOf, findingOfError } from './finding.js';
import type { TableMapping, TransformationRule } from './rule.js';
import { filterRule } from './selection/decide.js';
import { quotedTable, showTable, tableKey } from './table-name.js';
import { isLarge } from './transform/added-columns.js';
import { collision } from './transform/collision.js';
import { takesColumn } from './transform/column-plan.js';
import { type MapperSupport, refuseUnsupported } from './transform/support.js';
import { planTable, rulesFor, type TablePlan } from './transform/table-plan.js';

export interface AssessOptions {
  /** The task carries changes, and so needs what the log says of old rows. */
  readonly changes: boolean;
  readonly supports: MapperSupport;
}

/** What is wrong, or worth knowing, about filters and transformation rules over the selected tables. */
export function assessTables(
  mapping: TableMapping,
  schemas: readonly TableSchema[],
  { changes, supports }: AssessOptions,
): readonly Finding[] {
  const findings: Finding[] = [...mapping.findings];
  const plans: TablePlan[] = [];
  for (const schema of schemas) {
    findings.push(...attempt(schema, () => assessFilter(mapping, schema, changes)));
    findings.push(
      ...attempt(schema, () => {
        const plan = planTable(mapping, schema);
        refuseUnsupported(plan, supports);
        plans.push(plan);
        return [...(changes ? assessImages(plan) : []), ...assessOverridden(mapping, schema)];
      }),
    );
  }
  return [...findings, ...assessCollisions(plans), ...assessUnused(mapping, schemas)];
}

function attempt(schema: TableSchema, assess: () => readonly Finding[]): readonly Finding[] {
  try {
    return assess();
  } catch (error) {
    return [findingOfError(error, showTable(schema.id))];
  }
}

function assessFilter(mapping: TableMapping, schema: TableSchema, changes: boolean): readonly Finding[] {
  const rule = filterRule(mapping, schema.id);
  if (rule === undefined || rule.filter === null) return [];
  evaluateFilter(rule.filter, { rule: rule.rule.id, schema });
  const columns = changes ? columnsBeyondIdentity(rule.filter, schema) : [];
  return columns.length === 0 ? [] : [needsFull('error', 'MAPPING_NEEDS_FULL_IDENTITY', { rule: rule.rule.id, schema, columns })];
}

interface Need {
  readonly rule: string;
  readonly schema: TableSchema;
  readonly columns: readonly string[];
}

function needsFull(
  severity: Finding['severity'],
  code: 'MAPPING_NEEDS_FULL_IDENTITY' | 'MAPPING_MAY_NEED_FULL_IDENTITY',
  need: Need,
): Finding {
  const table = showTable(need.schema.id);
  return findingOf(severity, code, table, {
    rule: need.rule,
    table,
    columns: need.columns.join(', '),
    quoted: quotedTable(need.schema.id),
  });
}

/** Old values that rules use and the log does not carry, and large ones that it may leave out. */
function assessImages({ source, columns }: TablePlan): readonly Finding[] {
  if (source.replicaIdentity === 'full') return [];
  const nameOf = (index: number): string => source.columns[index]?.name ?? '';
  const beyond = (indexes: readonly number[]): readonly string[] =>
    indexes.map(nameOf).filter((name) => !source.identityColumns.includes(name));
  return columns.flatMap((plan): readonly Finding[] => {
    if (plan.kind === 'source') return [];
    const rule = plan.rule.id;
    const old = beyond(plan.kind === 'before' ? [plan.of.index] : [...plan.references.beforeColumns]);
    if (old.length > 0) return [needsFull('error', 'MAPPING_NEEDS_FULL_IDENTITY', { rule, schema: source, columns: old })];
    if (plan.kind === 'before' || (plan.pure && plan.references.columns.size === 1)) return [];
    const large = [...plan.references.columns].filter((index) => {
      const column = source.columns[index];
      return column !== undefined && isLarge(column);
    });
    return large.length === 0
      ? []
      : [needsFull('warning', 'MAPPING_MAY_NEED_FULL_IDENTITY', { rule, schema: source, columns: large.map(nameOf) })];
  });
}

/** Rules that name an object and lose it to a lower rule-id; a wildcard that loses some objects is how exceptions are written. */
function assessOverridden(mapping: TableMapping, schema: TableSchema): readonly Finding[] {
  const rules = rulesFor(mapping, schema.id);
  const table = showTable(schema.id);
  const findings: Finding[] = [];
  const compete = (object: string, contenders: readonly TransformationRule[]): void => {
    const [winner, ...losers] = contenders;
    for (const loser of losers) {
      if (winner === undefined || loser.schema.wild || loser.table.wild || loser.column.wild) continue;
      findings.push(
        findingOf('warning', 'MAPPING_RULE_WITHOUT_EFFECT', table, { rule: loser.rule.id, object, winner: winner.rule.id }),
      );
    }
  };
  for (const column of schema.columns) {
    const matching = rules.filter((rule) => takesColumn(rule, column));
    const object = `${table}, column "${column.name}"`;
    compete(
      object,
      matching.filter(({ action }) => action.kind === 'name' && action.target === 'column' && !isConditional(action.change.kind)),
    );
    compete(
      object,
      matching.filter(({ action }) => action.kind === 'change-data-type'),
    );
    compete(
      object,
      matching.filter(({ action }) => action.kind === 'mask'),
    );
    compete(
      object,
      matching.filter(({ action }) => action.kind === 'remove-column' || action.kind === 'include-column'),
    );
  }
  compete(
    table,
    rules.filter(({ action }) => action.kind === 'define-primary-key'),
  );
  return findings;
}

/** Affix rules leave names to the next rule that do not have the affix. */
function isConditional(kind: string): boolean {
  return kind.startsWith('remove-') || kind.startsWith('replace-');
}

function assessCollisions(plans: readonly TablePlan[]): readonly Finding[] {
  const owners = new Map<string, TablePlan>();
  return plans.flatMap((plan) => {
    const key = tableKey(plan.target.id);
    const owner = owners.get(key);
    owners.set(key, owner ?? plan);
    return owner === undefined ? [] : [findingOfError(collision(owner, plan), showTable(plan.source.id))];
  });
}

/**
 * Rules that touch nothing. A column that is named and not there is an error: whoever wanted it masked or removed must know. A
 * pattern may wait for tables still to come.
 */
function assessUnused(mapping: TableMapping, schemas: readonly TableSchema[]): readonly Finding[] {
  return mapping.transformations.flatMap((rule) => {
    const tables = schemas.filter(({ id }) => rule.schema.matches(id.schema) && rule.table.matches(id.table));
    if (tables.some(({ columns }) => rule.column.wild || columns.some((column) => takesColumn(rule, column)))) return [];
    const pattern = [rule.schema, rule.table, rule.column].map(({ text }) => text).join('.');
    const misspelt = tables.length > 0 && !rule.column.wild;
    return [findingOf(misspelt ? 'error' : 'warning', 'MAPPING_RULE_MATCHES_NOTHING', 'source', { rule: rule.rule.id, pattern })];
  });
}
