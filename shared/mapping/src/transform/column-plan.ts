import { UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { ColumnSchema, LogicalType, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Evaluator } from '../expression/evaluate.js';
import type { RuleIdentity, TransformationRule } from '../rule.js';
import { showTable } from '../table-name.js';
import { ConversionError, convertColumn, isConvertible, type PresentValue, plainText, valueOfText } from './convert.js';
import { isRandom, mask, maskingProblem } from './masking.js';
import { newName, notApplicable } from './names.js';
import type { References, RowScope } from './references.js';
import { dmsTypeName, type TargetType, targetType } from './target-type.js';

/** One column of the target and where its value comes from. */
export type ColumnPlan = SourceColumn | BeforeColumn | ComputedColumn;

export interface SourceColumn {
  readonly kind: 'source';
  readonly column: ColumnSchema;
  /** Index in the source's row. */
  readonly index: number;
  /** Null: the value passes as it is. */
  readonly convert: Convert | null;
  /** The target's value does not follow from the source's: it cannot identify a row. */
  readonly random: boolean;
  /** The rules that made it what it is, for messages. */
  readonly named: TransformationRule | null;
}

export interface BeforeColumn {
  readonly kind: 'before';
  readonly column: ColumnSchema;
  readonly of: SourceColumn;
  readonly rule: RuleIdentity;
}

export interface ComputedColumn {
  readonly kind: 'computed';
  readonly column: ColumnSchema;
  readonly rule: RuleIdentity;
  readonly target: TargetType;
  /** Null: the column is there and stays null, as DMS leaves a column without an expression. */
  readonly evaluate: Evaluator<RowScope> | null;
  readonly references: References;
  /** The value follows from the row's columns alone. */
  readonly pure: boolean;
  /** Reads a header of the change, or the time 'now'. */
  readonly needsOrigin: boolean;
  /** Holds operation_indicator(): deleted rows stay in the target, flagged. */
  readonly indicator: boolean;
}

export interface ColumnRules {
  readonly schema: TableSchema;
  /** Rules whose object-locator takes this table, lowest rule-id first. */
  readonly rules: readonly TransformationRule[];
}

/** The source's columns that reach the target, in their order. @throws MillraceError MAPPING_RULE_NOT_APPLICABLE */
export function planSourceColumns({ schema, rules }: ColumnRules): readonly SourceColumn[] {
  const columnRules = rules.filter((rule) => rule.action.kind !== 'name' || rule.action.target === 'column');
  const including = columnRules.some((rule) => rule.action.kind === 'include-column');
  return schema.columns.flatMap((column, index) => {
    const matching = columnRules.filter((rule) => takesColumn(rule, column));
    const presence = matching.find((rule) => rule.action.kind === 'remove-column' || rule.action.kind === 'include-column');
    const kept = presence === undefined ? !including : presence.action.kind === 'include-column';
    return kept ? [planColumn(schema, index, { column, matching })] : [];
  });
}

export function takesColumn(rule: TransformationRule, column: ColumnSchema): boolean {
  return rule.column.matches(column.name) && (rule.dataType === null || rule.dataType === dmsTypeName(column.type));
}

interface MatchedColumn {
  readonly column: ColumnSchema;
  readonly matching: readonly TransformationRule[];
}

function planColumn(schema: TableSchema, index: number, { column, matching }: MatchedColumn): SourceColumn {
  const { name, by } = newName(column.name, matching, { table: schema.id, column: column.name });
  const typing = matching.find((rule) => rule.action.kind === 'change-data-type');
  const masking = matching.find((rule) => rule.action.kind === 'mask');
  // Both may apply to one column; the lower rule-id goes first (DMS, "Using data masking", Limitations).
  const steps = [typing, masking].filter((rule) => rule !== undefined).sort((a, b) => (a.rule.order < b.rule.order ? -1 : 1));
  let current: ColumnSchema = { ...column, name };
  let convert: SourceColumn['convert'] = null;
  for (const rule of steps) {
    const step: Step = stepOf(schema, current, rule);
    convert = after(convert, step.convert);
    current = step.column;
  }
  if (convert !== null && column.generated !== null) {
    throw notApplicable(
      steps[0] ?? matching[0] ?? fail(),
      schema.id,
      `"${column.name}" is a generated column: the target computes it`,
    );
  }
  const random = masking?.action.kind === 'mask' && isRandom(masking.action.masking);
  return { kind: 'source', column: withMissingValue(current, column, convert), index, convert, random, named: by };
}

function fail(): never {
  throw new MillraceError('INTERNAL', { what: 'a conversion comes from a rule' });
}

type Convert = (value: PresentValue) => Value;

function after(first: Convert | null, second: Convert): Convert {
  if (first === null) return second;
  return (value) => {
    const between = first(value);
    return between === null || between === UNCHANGED ? between : second(between);
  };
}

interface Step {
  readonly column: ColumnSchema;
  readonly convert: Convert;
}

function stepOf(schema: TableSchema, column: ColumnSchema, rule: TransformationRule): Step {
  const { action } = rule;
  if (action.kind === 'change-data-type') {
    const target = targetType(action.type);
    if (!isConvertible(column.type, target.type)) {
      throw notApplicable(
        rule,
        schema.id,
        `column "${column.name}" is ${column.native.declaration}, which cannot become "${action.type.name}"`,
      );
    }
    return {
      column: retyped(column, target),
      convert: reporting(schema, { column, target, rule: rule.rule }, (value) => convertColumn(value, column.type, target)),
    };
  }
  if (action.kind !== 'mask') throw new MillraceError('INTERNAL', { what: 'only types and masks convert values' });
  const problem = maskingProblem(action.masking, column.type);
  if (problem !== null)
    throw notApplicable(rule, schema.id, `column "${column.name}" is ${column.native.declaration}: ${problem}`);
  const { type } = column;
  return { column, convert: (value) => mask(action.masking, value, type) };
}

function retyped(column: ColumnSchema, target: TargetType): ColumnSchema {
  const counts = target.type.kind === 'integer';
  // A default is an expression of the old type, and a sequence gives integers.
  const kept = counts ? column : { ...column, identity: 'none' as const, default: null };
  return { ...kept, type: target.type, native: target.native, collation: null };
}

/** The value that older rows show must be changed and masked as the rows are. */
function withMissingValue(target: ColumnSchema, source: ColumnSchema, convert: SourceColumn['convert']): ColumnSchema {
  if (source.missingValue === null || convert === null) return target;
  const value = convert(valueOfText(source.missingValue, source.type));
  return { ...target, missingValue: value === null || value === UNCHANGED ? null : plainText(value) };
}

export interface ConversionPlace {
  readonly column: { readonly name: string; readonly type: LogicalType };
  readonly target: TargetType;
  readonly rule: RuleIdentity;
}

/** Names rule, table and column where a value does not fit. */
export function reporting<T>(schema: TableSchema, place: ConversionPlace, convert: (value: T) => Value): (value: T) => Value {
  return (value) => {
    try {
      return convert(value);
    } catch (cause) {
      if (!(cause instanceof ConversionError)) throw cause;
      throw new MillraceError(
        'MAPPING_VALUE_NOT_CONVERTIBLE',
        {
          rule: place.rule.id,
          table: showTable(schema.id),
          column: place.column.name,
          type: place.target.native.declaration,
          problem: cause.message,
        },
        { cause },
      );
    }
  };
}
