import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { TableMapping, TransformationRule } from '../rule.js';
import { showTable } from '../table-name.js';
import { planBeforeColumns, planComputedColumns } from './added-columns.js';
import { type ColumnPlan, planSourceColumns, type SourceColumn, takesColumn } from './column-plan.js';
import { keepsKeys } from './masking.js';
import { newName, notApplicable } from './names.js';

/** What the rules make of one version of a table: its target-side schema, and where each of its columns comes from. */
export interface TablePlan {
  readonly source: TableSchema;
  readonly target: TableSchema;
  readonly columns: readonly ColumnPlan[];
  /** identity: nothing changes. rename: only names or the key; rows keep their bytes. rows: values or columns change. */
  readonly kind: 'identity' | 'rename' | 'rows';
  /** The rules that gave the table its target name, for messages. */
  readonly namedBy: readonly TransformationRule[];
}

/**
 * Applies the transformation rules to a table's schema.
 * @throws MillraceError MAPPING_RULE_NOT_APPLICABLE, MAPPING_EXPRESSION_INVALID, MAPPING_COLUMN_COLLISION
 */
export function planTable(mapping: TableMapping, schema: TableSchema): TablePlan {
  const rules = rulesFor(mapping, schema.id);
  const kept = planSourceColumns({ schema, rules });
  refuseBrokenGenerated(kept, schema, rules);
  const columns = [...kept, ...planBeforeColumns({ schema, rules }, kept), ...planComputedColumns({ schema, rules })];
  refuseColumnCollision(columns, schema);
  const { id, namedBy } = targetName(schema.id, rules);
  const target = { ...targetSchema(schema, kept, columns), id, ...targetKey({ schema, rules, kept, columns }) };
  return { source: schema, target, columns, kind: planKind(schema, target, columns), namedBy };
}

export function rulesFor(mapping: TableMapping, id: TableId): readonly TransformationRule[] {
  return mapping.transformations.filter((rule) => rule.schema.matches(id.schema) && rule.table.matches(id.table));
}

function targetName(
  id: TableId,
  rules: readonly TransformationRule[],
): { readonly id: TableId; readonly namedBy: readonly TransformationRule[] } {
  const of = (target: 'schema' | 'table'): readonly TransformationRule[] =>
    rules.filter(({ action }) => action.kind === 'name' && action.target === target);
  const schema = newName(id.schema, of('schema'), { table: id, column: null });
  const table = newName(id.table, of('table'), { table: id, column: null });
  return { id: { schema: schema.name, table: table.name }, namedBy: [schema.by, table.by].filter((rule) => rule !== null) };
}

function targetSchema(schema: TableSchema, kept: readonly SourceColumn[], columns: readonly ColumnPlan[]): TableSchema {
  // Nothing says which column needs which type: all of them stay, unless the rules leave no column of a user's own type.
  const own = untouched(schema, columns) || columns.some(({ column }) => column.native.schema !== 'pg_catalog');
  return {
    ...schema,
    columns: columns.map(({ column }) => column),
    identityColumns: schema.identityColumns.flatMap((name) =>
      kept.filter((one) => sourceName(schema, one) === name && !one.random).map((one) => one.column.name),
    ),
    types: own ? schema.types : [],
    extensions: own ? schema.extensions : [],
  };
}

function sourceName(schema: TableSchema, column: SourceColumn): string | undefined {
  return schema.columns[column.index]?.name;
}

interface KeyInput {
  readonly schema: TableSchema;
  readonly rules: readonly TransformationRule[];
  readonly kept: readonly SourceColumn[];
  readonly columns: readonly ColumnPlan[];
}

function targetKey({ schema, rules, kept, columns }: KeyInput): Pick<TableSchema, 'primaryKey' | 'primaryKeyName'> {
  const defining = rules.find(({ action }) => action.kind === 'define-primary-key');
  if (defining?.action.kind === 'define-primary-key') {
    const primaryKey = defining.action.columns.map((name) => definedKeyColumn(name, { schema, rule: defining, columns }));
    return { primaryKey, primaryKeyName: defining.action.name };
  }
  const primaryKey = schema.primaryKey.map((name) => {
    const plan = kept.find((one) => sourceName(schema, one) === name);
    if (plan === undefined) throw removedKey(schema, rules, name);
    refuseMaskedKey(schema, rules, plan);
    return plan.column.name;
  });
  return { primaryKey, primaryKeyName: schema.primaryKeyName };
}

interface DefinedKey {
  readonly schema: TableSchema;
  readonly rule: TransformationRule;
  readonly columns: readonly ColumnPlan[];
}

/** The key's columns go by their target names, or else by their source names. */
function definedKeyColumn(name: string, { schema, rule, columns }: DefinedKey): string {
  const plan =
    columns.find(({ column }) => column.name === name) ??
    columns.find((one) => one.kind === 'source' && sourceName(schema, one) === name);
  if (plan === undefined) throw notApplicable(rule, schema.id, `the table has no column "${name}" for its key`);
  if (plan.kind === 'before')
    throw notApplicable(rule, schema.id, `"${name}" is a before-image column, which is null for inserted rows`);
  if (plan.kind === 'computed' && !plan.pure)
    throw notApplicable(rule, schema.id, `"${name}" has another value at each change, and a key has to stay`);
  if (plan.kind === 'source') refuseMaskedKey(schema, [rule], plan);
  const beyond = keyColumnsBeyondIdentity(plan, schema);
  if (beyond.length > 0) {
    throw notApplicable(
      rule,
      schema.id,
      `the log does not carry old values of ${beyond.join(', ')}, so old rows cannot be found by "${name}"; set REPLICA IDENTITY FULL`,
    );
  }
  return plan.column.name;
}

function keyColumnsBeyondIdentity(plan: ColumnPlan, schema: TableSchema): readonly string[] {
  if (schema.replicaIdentity === 'full') return [];
  const indexes = plan.kind === 'source' ? [plan.index] : plan.kind === 'computed' ? [...plan.references.columns] : [];
  return indexes.map((index) => schema.columns[index]?.name ?? '').filter((name) => !schema.identityColumns.includes(name));
}

function removedKey(schema: TableSchema, rules: readonly TransformationRule[], name: string): MillraceError {
  const column = schema.columns.find((one) => one.name === name);
  const rule =
    rules.find((one) => one.action.kind === 'remove-column' && column !== undefined && takesColumn(one, column)) ??
    rules.find((one) => one.action.kind === 'include-column');
  if (rule === undefined) return new MillraceError('INTERNAL', { what: 'a key column is removed by a rule' });
  return notApplicable(
    rule,
    schema.id,
    `it leaves out "${name}", a column of the primary key; keep it, or define another key with define-primary-key`,
  );
}

function refuseMaskedKey(schema: TableSchema, rules: readonly TransformationRule[], plan: SourceColumn): void {
  const source = schema.columns[plan.index];
  const masking = rules.find((rule) => rule.action.kind === 'mask' && source !== undefined && takesColumn(rule, source));
  if (masking?.action.kind === 'mask' && !keepsKeys(masking.action.masking)) {
    throw notApplicable(
      masking,
      schema.id,
      `"${source?.name ?? ''}" belongs to the key, and masked digits would make keys equal; use data-masking-hash-mask`,
    );
  }
}

/** A generated column's expression names source columns in the source's dialect: it is not rewritten. */
function refuseBrokenGenerated(kept: readonly SourceColumn[], schema: TableSchema, rules: readonly TransformationRule[]): void {
  for (const { column } of kept) {
    const { generated } = column;
    if (generated === null) continue;
    const broken = schema.columns.find(
      (one) =>
        one.name !== column.name &&
        generated.includes(one.name) &&
        !kept.some((plan) => plan.column.name === one.name && sourceName(schema, plan) === one.name),
    );
    if (broken === undefined) continue;
    const rule = rules.find((one) => takesColumn(one, broken));
    if (rule === undefined) continue;
    throw notApplicable(
      rule,
      schema.id,
      `the generated column "${column.name}" is computed from "${broken.name}", which the rule renames or removes; remove the generated column as well`,
    );
  }
}

function refuseColumnCollision(columns: readonly ColumnPlan[], schema: TableSchema): void {
  const seen = new Map<string, ColumnPlan>();
  for (const plan of columns) {
    const other = seen.get(plan.column.name);
    if (other !== undefined) {
      throw new MillraceError('MAPPING_COLUMN_COLLISION', {
        table: showTable(schema.id),
        first: describe(other, schema),
        second: describe(plan, schema),
        column: plan.column.name,
      });
    }
    seen.set(plan.column.name, plan);
  }
}

function describe(plan: ColumnPlan, schema: TableSchema): string {
  if (plan.kind !== 'source') return `the column that rule ${plan.rule.id} adds`;
  const by = plan.named === null ? '' : ` (rule ${plan.named.rule.id})`;
  return `column "${sourceName(schema, plan) ?? ''}"${by}`;
}

function planKind(source: TableSchema, target: TableSchema, columns: readonly ColumnPlan[]): TablePlan['kind'] {
  if (!untouched(source, columns)) return 'rows';
  return JSON.stringify(source) === JSON.stringify(target) ? 'identity' : 'rename';
}

function untouched(source: TableSchema, columns: readonly ColumnPlan[]): boolean {
  return columns.length === source.columns.length && columns.every((plan) => plan.kind === 'source' && plan.convert === null);
}
