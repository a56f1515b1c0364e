import type { RowFilter } from '@millrace/contract/load.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import type { RuleIdentity, SelectionRule } from './rule.js';
import type { FilterText, SelectionText } from './rule-schema.js';
import { literalName, type NamePattern, parseNamePattern } from './selection/name-pattern.js';

/** @throws MillraceError MAPPING_RULE_INVALID, MAPPING_RULE_UNSUPPORTED */
export function parseSelection(text: SelectionText): SelectionRule {
  const rule = identityOf(text['rule-id']);
  const action = text['rule-action'];
  const locator = text['object-locator'];
  if (action !== 'exclude' && locator['table-type'] === 'view') {
    throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
      rule: rule.id,
      what: 'table-type "view"',
      why: "a view has no rows of its own in the source's log",
      instead: 'Select the tables that the views read, and create the views on the target.',
    });
  }
  const filters = text.filters ?? [];
  if (filters.length > 0 && action !== 'include') {
    throw invalid(
      rule,
      'filters',
      `stand beside rule-action "${action}", where AWS DMS does not apply them; use rule-action "include"`,
    );
  }
  const pattern = (key: 'schema-name' | 'table-name'): NamePattern =>
    action === 'explicit' ? literalName(locator[key]) : patternOf(rule, `object-locator.${key}`, locator[key]);
  return {
    rule,
    action,
    schema: pattern('schema-name'),
    table: pattern('table-name'),
    loadOrder: text['load-order'] ?? 0,
    filter:
      filters.length === 0
        ? null
        : combine(
            'all',
            filters.map((filter, index) => parseFilter(rule, filter, index)),
          ),
  };
}

export function identityOf(id: string): RuleIdentity {
  return { id, order: BigInt(id) };
}

/** @throws MillraceError MAPPING_RULE_INVALID */
export function patternOf(rule: RuleIdentity, path: string, text: string): NamePattern {
  const pattern = parseNamePattern(text);
  if ('problem' in pattern) throw invalid(rule, path, `"${text}" ${pattern.problem}`);
  return pattern;
}

export function invalid(rule: RuleIdentity, path: string, problem: string): MillraceError {
  return new MillraceError('MAPPING_RULE_INVALID', { rule: rule.id, path, problem });
}

/** Several filters must all hold; of the conditions within one, any suffices (DMS, "Using source filters"). */
function parseFilter(rule: RuleIdentity, filter: FilterText, index: number): RowFilter {
  const conditions = filter['filter-conditions'].map((condition, at) =>
    parseCondition(rule, filter['column-name'], condition, `filters[${index}].filter-conditions[${at}]`),
  );
  return combine('any', conditions);
}

function combine(kind: 'all' | 'any', of: readonly RowFilter[]): RowFilter {
  const [only] = of;
  return of.length === 1 && only !== undefined ? only : { kind, of };
}

function parseCondition(
  rule: RuleIdentity,
  column: string,
  condition: FilterText['filter-conditions'][number],
  path: string,
): RowFilter {
  const operator = condition['filter-operator'];
  const need = (key: 'value' | 'start-value' | 'end-value'): string => {
    const value = condition[key];
    if (value === undefined) throw invalid(rule, `${path}.${key}`, `is missing: filter-operator "${operator}" compares with it`);
    return value;
  };
  const refuse = (...keys: readonly ('value' | 'start-value' | 'end-value')[]): void => {
    // The console writes an empty text for a value that an operator does not have.
    const extra = keys.find((key) => (condition[key] ?? '') !== '');
    if (extra !== undefined) throw invalid(rule, `${path}.${extra}`, `has no meaning with filter-operator "${operator}"`);
  };
  switch (operator) {
    case 'eq':
    case 'noteq':
    case 'ste':
    case 'gte':
    case 'lte':
      refuse('start-value', 'end-value');
      return { kind: 'compare', column, operator: operator === 'lte' ? 'ste' : operator, value: need('value') };
    case 'between':
    case 'notbetween':
      refuse('value');
      return { kind: operator, column, start: need('start-value'), end: need('end-value') };
    case 'null':
    case 'notnull':
      refuse('value', 'start-value', 'end-value');
      return { kind: operator, column };
    default:
      return assertNever(operator);
  }
}
