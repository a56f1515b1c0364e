import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { parseExpression } from './expression/parser.js';
import { type Expression, ExpressionError } from './expression/syntax.js';
import { identityOf, invalid, patternOf } from './parse-selection.js';
import {
  DMS_TYPES,
  type DmsType,
  type DmsTypeName,
  type NameChange,
  type RuleIdentity,
  type Transformation,
  type TransformationRule,
} from './rule.js';
import type { DataTypeText, TransformationText } from './rule-schema.js';
import { ANY_NAME } from './selection/name-pattern.js';

/** @throws MillraceError MAPPING_RULE_INVALID, MAPPING_RULE_UNSUPPORTED, MAPPING_EXPRESSION_INVALID */
export function parseTransformation(text: TransformationText): TransformationRule {
  const rule = identityOf(text['rule-id']);
  const locator = text['object-locator'];
  const target = text['rule-target'];
  if (target === 'table-tablespace' || target === 'index-tablespace') {
    throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
      rule: rule.id,
      what: `rule-target "${target}"`,
      why: 'tablespaces are mapped between Oracle databases only',
      instead: 'Remove the rule.',
    });
  }
  for (const key of ['table-tablespace-name', 'index-tablespace-name'] as const) {
    if (locator[key] !== undefined)
      throw invalid(rule, `object-locator.${key}`, 'belongs to tablespace rules between Oracle databases');
  }
  if (target !== 'schema' && locator['table-name'] === undefined)
    throw invalid(rule, 'object-locator.table-name', `is missing: rule-target is "${target}"`);
  const action = parseAction(rule, text, target);
  if (target === 'column' && locator['column-name'] === undefined && !['add-column', 'before-image'].includes(action.kind)) {
    throw invalid(rule, 'object-locator.column-name', 'is missing: rule-target is "column"');
  }
  if (action.kind === 'add-column' && (locator['column-name'] ?? '%') !== '%') {
    throw invalid(rule, 'object-locator.column-name', 'has no meaning with "add-column": the new column\'s name is "value"');
  }
  const dataType = locator['data-type'];
  return {
    rule,
    schema: patternOf(rule, 'object-locator.schema-name', locator['schema-name']),
    table: locator['table-name'] === undefined ? ANY_NAME : patternOf(rule, 'object-locator.table-name', locator['table-name']),
    column:
      locator['column-name'] === undefined ? ANY_NAME : patternOf(rule, 'object-locator.column-name', locator['column-name']),
    dataType: dataType === undefined ? null : typeName(rule, 'object-locator.data-type', dataType),
    action,
  };
}

type Target = 'schema' | 'table' | 'column';

function parseAction(rule: RuleIdentity, text: TransformationText, target: Target): Transformation {
  const action = text['rule-action'];
  const targets = (...right: readonly Target[]): void => {
    if (!right.includes(target))
      throw invalid(rule, 'rule-target', `"${target}" does not fit rule-action "${action}", which takes "${right.join('", "')}"`);
  };
  switch (action) {
    case 'rename':
    case 'add-prefix':
    case 'remove-prefix':
    case 'replace-prefix':
    case 'add-suffix':
    case 'remove-suffix':
    case 'replace-suffix':
    case 'convert-lowercase':
    case 'convert-uppercase':
      return { kind: 'name', target, change: parseNameChange(rule, text, action) };
    case 'add-column':
      targets('column');
      return {
        kind: 'add-column',
        column: needValue(rule, text),
        expression: text.expression === undefined ? null : expressionOf(rule, text.expression),
        type: needType(rule, text),
      };
    case 'remove-column':
    case 'include-column':
      targets('column');
      return { kind: action };
    case 'change-data-type':
      targets('column');
      return { kind: action, type: needType(rule, text) };
    case 'define-primary-key':
      targets('table');
      return parsePrimaryKey(rule, text);
    case 'add-before-image-columns':
      targets('column');
      return parseBeforeImage(rule, text);
    case 'data-masking-digits-mask': {
      targets('column');
      const character = needValue(rule, text);
      if (!/^[!-~]$/.test(character)) throw invalid(rule, 'value', `"${character}" is not one printable ASCII character`);
      return { kind: 'mask', masking: { kind: 'digits-mask', character } };
    }
    case 'data-masking-digits-randomize':
      targets('column');
      return { kind: 'mask', masking: { kind: 'digits-randomize' } };
    case 'data-masking-hash-mask':
      targets('column');
      return { kind: 'mask', masking: { kind: 'hash' } };
    default:
      return assertNever(action);
  }
}

function parseNameChange(
  rule: RuleIdentity,
  text: TransformationText,
  action: Exclude<NameChange['kind'], 'rename-expression'>,
): NameChange {
  switch (action) {
    case 'rename':
      if (text.expression !== undefined) return { kind: 'rename-expression', expression: expressionOf(rule, text.expression) };
      return { kind: 'rename', to: needValue(rule, text) };
    case 'add-prefix':
    case 'remove-prefix':
    case 'add-suffix':
    case 'remove-suffix':
      return { kind: action, affix: needValue(rule, text) };
    case 'replace-prefix':
    case 'replace-suffix': {
      const from = text['old-value'] ?? '';
      if (from === '') throw invalid(rule, 'old-value', `is missing: "${action}" replaces it`);
      return { kind: action, from, to: text.value ?? '' };
    }
    case 'convert-lowercase':
    case 'convert-uppercase':
      return { kind: action };
    default:
      return assertNever(action);
  }
}

function parsePrimaryKey(rule: RuleIdentity, text: TransformationText): Transformation {
  const definition = text['primary-key-def'];
  if (definition === undefined) throw invalid(rule, 'primary-key-def', 'is missing');
  for (const key of ['schema-name', 'table-name'] as const) {
    const pattern = patternOf(rule, `object-locator.${key}`, text['object-locator'][key] ?? '%');
    if (pattern.wild)
      throw invalid(
        rule,
        `object-locator.${key}`,
        `"${pattern.text}" holds a wildcard, which "define-primary-key" does not take`,
      );
  }
  if (definition.origin === 'unique-index') {
    throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
      rule: rule.id,
      what: 'primary-key-def.origin "unique-index"',
      why: 'only primary keys are defined by rules',
      instead: 'Use origin "primary-key", or create the index on the target.',
    });
  }
  const twice = definition.columns.find((column, index) => definition.columns.indexOf(column) !== index);
  if (twice !== undefined) throw invalid(rule, 'primary-key-def.columns', `names "${twice}" twice`);
  return { kind: 'define-primary-key', name: definition.name, columns: definition.columns };
}

function parseBeforeImage(rule: RuleIdentity, text: TransformationText): Transformation {
  const definition = text['before-image-def'];
  const prefix = definition?.['column-prefix'] ?? 'BI_';
  const suffix = definition?.['column-suffix'] ?? '';
  if (prefix === '' && suffix === '') throw invalid(rule, 'before-image-def', 'gives neither column-prefix nor column-suffix');
  return { kind: 'before-image', prefix, suffix, columns: definition?.['column-filter'] ?? 'pk-only' };
}

function needValue(rule: RuleIdentity, text: TransformationText): string {
  if (text.value === undefined || text.value === '')
    throw invalid(rule, 'value', `is missing: "${text['rule-action']}" needs it`);
  return text.value;
}

function needType(rule: RuleIdentity, text: TransformationText): DmsType {
  const type: DataTypeText | undefined = text['data-type'];
  if (type === undefined) throw invalid(rule, 'data-type', `is missing: "${text['rule-action']}" needs it`);
  return {
    name: typeName(rule, 'data-type.type', type.type),
    length: type.length ?? null,
    precision: type.precision ?? null,
    scale: type.scale ?? null,
  };
}

function typeName(rule: RuleIdentity, path: string, word: DataTypeText['type']): DmsTypeName {
  const name = DMS_TYPES.find((one) => one === word);
  if (name === undefined) {
    throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
      rule: rule.id,
      what: `${path} "${word}"`,
      why: "it is a type of Cassandra's collections",
      instead: `Use one of ${DMS_TYPES.join(', ')}.`,
    });
  }
  return name;
}

function expressionOf(rule: RuleIdentity, text: string): Expression {
  try {
    return parseExpression(text);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new MillraceError(
      'MAPPING_EXPRESSION_INVALID',
      { rule: rule.id, at: error.at, problem: error.problem },
      { cause: error },
    );
  }
}
