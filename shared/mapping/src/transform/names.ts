import type { TableId } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { compileExpression } from '../expression/evaluate.js';
import { EvaluationError } from '../expression/scalar-functions.js';
import { textOf } from '../expression/sql-value.js';
import { ExpressionError } from '../expression/syntax.js';
import type { NameChange, TransformationRule } from '../rule.js';
import { showTable } from '../table-name.js';

/** A name after the rules, and the rule that gave it; null where none applies. */
export interface NewName {
  readonly name: string;
  readonly by: TransformationRule | null;
}

export interface NamedObject {
  readonly table: TableId;
  /** Null for a schema's or table's own name. */
  readonly column: string | null;
}

/**
 * Applies the first of the rules that changes the name, lowest rule-id first. A rule that replaces or removes an affix which the
 * name does not have leaves the name to the next rule.
 * @throws MillraceError MAPPING_RULE_NOT_APPLICABLE
 */
export function newName(name: string, rules: readonly TransformationRule[], object: NamedObject): NewName {
  for (const by of rules) {
    if (by.action.kind !== 'name') continue;
    const changed = applyChange(name, by.action.change, { rule: by, object });
    if (changed === undefined) continue;
    if (changed === '') throw notApplicable(by, object.table, `it leaves no name of "${name}"`);
    return { name: changed, by };
  }
  return { name, by: null };
}

export function notApplicable(rule: TransformationRule, table: TableId, problem: string): MillraceError {
  return new MillraceError('MAPPING_RULE_NOT_APPLICABLE', { rule: rule.rule.id, table: showTable(table), problem });
}

interface NameContext {
  readonly rule: TransformationRule;
  readonly object: NamedObject;
}

/** Undefined: the change does not concern this name. */
function applyChange(name: string, change: NameChange, context: NameContext): string | undefined {
  switch (change.kind) {
    case 'rename':
      return change.to;
    case 'rename-expression':
      return nameOfExpression(change.expression, context);
    case 'add-prefix':
      return change.affix + name;
    case 'add-suffix':
      return name + change.affix;
    case 'remove-prefix':
      return name.startsWith(change.affix) ? name.slice(change.affix.length) : undefined;
    case 'remove-suffix':
      return name.endsWith(change.affix) ? name.slice(0, -change.affix.length) : undefined;
    case 'replace-prefix':
      return name.startsWith(change.from) ? change.to + name.slice(change.from.length) : undefined;
    case 'replace-suffix':
      return name.endsWith(change.from) ? name.slice(0, -change.from.length) + change.to : undefined;
    case 'convert-lowercase':
      return name.toLowerCase();
    case 'convert-uppercase':
      return name.toUpperCase();
    default:
      return assertNever(change);
  }
}

/** A rename's expression sees names only: there is no row. */
function nameOfExpression(
  expression: Extract<NameChange, { kind: 'rename-expression' }>['expression'],
  { rule, object }: NameContext,
): string {
  const names: Readonly<Record<string, string | null>> = {
    AR_M_SOURCE_SCHEMA: object.table.schema,
    AR_M_SOURCE_TABLE_NAME: object.table.table,
    AR_M_SOURCE_COLUMN_NAME: object.column,
  };
  try {
    const evaluate = compileExpression(expression, (name, at) => {
      const value = names[name];
      if (typeof value !== 'string')
        throw new ExpressionError(
          at,
          `a new name can be made of ${Object.keys(names)
            .map((one) => `$${one}`)
            .join(', ')} only`,
        );
      return () => value;
    });
    const value = evaluate({ operation: 'insert', nowMicros: null });
    return value === null ? '' : textOf(value);
  } catch (error) {
    if (error instanceof EvaluationError) {
      const details = { rule: rule.rule.id, table: showTable(object.table), problem: error.message };
      throw new MillraceError('MAPPING_EXPRESSION_FAILED', details, { cause: error });
    }
    if (!(error instanceof ExpressionError)) throw error;
    throw new MillraceError(
      'MAPPING_EXPRESSION_INVALID',
      { rule: rule.rule.id, at: error.at, problem: error.problem },
      { cause: error },
    );
  }
}
