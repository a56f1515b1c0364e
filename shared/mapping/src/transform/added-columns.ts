import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { compileExpression, type Evaluator } from '../expression/evaluate.js';
import { type Expression, ExpressionError } from '../expression/syntax.js';
import type { RuleIdentity } from '../rule.js';
import { type BeforeColumn, type ColumnRules, type ComputedColumn, type SourceColumn, takesColumn } from './column-plan.js';
import { notApplicable } from './names.js';
import { DATE_FUNCTIONS, type References, type RowScope, referenceResolver, volatileFunctions } from './references.js';
import { targetType } from './target-type.js';

/** Added columns' ordinals lie above every column that a table can have, so that none is taken for a new source column. */
const FIRST_ADDED_ORDINAL = 1_000_000;
const FIRST_BEFORE_ORDINAL = 2_000_000;

/** Columns of add-column rules, by rule-id. @throws MillraceError MAPPING_EXPRESSION_INVALID, MAPPING_RULE_NOT_APPLICABLE */
export function planComputedColumns({ schema, rules }: ColumnRules): readonly ComputedColumn[] {
  return rules.flatMap((rule, index): readonly ComputedColumn[] => {
    const { action } = rule;
    if (action.kind !== 'add-column') return [];
    const target = targetType(action.type);
    const references: References = { columns: new Set(), beforeColumns: new Set(), operation: false, origin: false };
    const evaluate =
      action.expression === null ? null : compileFor(schema, rule.rule, { expression: action.expression, references });
    const volatile = action.expression === null ? new Set<string>() : volatileFunctions(action.expression);
    const indicator = volatile.has('operation_indicator');
    if (indicator && schema.primaryKey.length === 0)
      throw notApplicable(rule, schema.id, 'operation_indicator() needs a primary key, and the table has none');
    const needsOrigin = references.origin || [...volatile].some((name) => DATE_FUNCTIONS.includes(name));
    const pure = volatile.size === 0 && !references.origin && !references.operation && references.beforeColumns.size === 0;
    const column = addedColumn(action.column, { ordinal: FIRST_ADDED_ORDINAL + index, type: target.type, native: target.native });
    return [{ kind: 'computed', column, rule: rule.rule, target, evaluate, references, pure, needsOrigin, indicator }];
  });
}

interface Compilation {
  readonly expression: Expression;
  readonly references: References;
}

function compileFor(schema: TableSchema, rule: RuleIdentity, { expression, references }: Compilation): Evaluator<RowScope> {
  try {
    return compileExpression(expression, referenceResolver(schema, references));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new MillraceError(
      'MAPPING_EXPRESSION_INVALID',
      { rule: rule.id, at: error.at, problem: error.problem },
      { cause: error },
    );
  }
}

/** Columns of add-before-image-columns rules, each source column by the first rule that takes it. */
export function planBeforeColumns({ schema, rules }: ColumnRules, kept: readonly SourceColumn[]): readonly BeforeColumn[] {
  return kept.flatMap((of): readonly BeforeColumn[] => {
    const source = schema.columns[of.index];
    if (source === undefined || source.generated !== null) return [];
    const rule = rules.find(
      (one) => one.action.kind === 'before-image' && takesColumn(one, source) && isFiltered(one.action.columns, source, schema),
    );
    if (rule?.action.kind !== 'before-image') return [];
    const { prefix, suffix } = rule.action;
    const { type, native, collation } = of.column;
    const column = addedColumn(`${prefix}${of.column.name}${suffix}`, {
      ordinal: FIRST_BEFORE_ORDINAL + source.ordinal,
      type,
      native,
    });
    return [{ kind: 'before', column: { ...column, collation }, of, rule: rule.rule }];
  });
}

function isFiltered(columns: 'pk-only' | 'non-lob' | 'all', column: ColumnSchema, schema: TableSchema): boolean {
  if (columns === 'pk-only') return schema.primaryKey.includes(column.name);
  return columns === 'all' || !isLarge(column);
}

/** LOBs in DMS's sense: types without a bound on their length. */
export function isLarge({ type }: ColumnSchema): boolean {
  if (type.kind === 'text' || type.kind === 'bytes') return type.maxLength === null;
  return type.kind === 'json' || type.kind === 'array' || type.kind === 'other';
}

interface AddedType {
  readonly ordinal: number;
  readonly type: ColumnSchema['type'];
  readonly native: ColumnSchema['native'];
}

function addedColumn(name: string, { ordinal, type, native }: AddedType): ColumnSchema {
  return {
    name,
    ordinal,
    type,
    native,
    nullable: true,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: null,
  };
}
