import type { Finding } from '@millrace/contract/finding.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import type { z } from 'zod';
import { findingOf } from './finding.js';
import { parseJson } from './json-text.js';
import { suggest } from './nearest-word.js';
import { parseSelection } from './parse-selection.js';
import { parseTransformation } from './parse-transformation.js';
import type { SelectionRule, TableMapping, TransformationRule } from './rule.js';
import { describeIssue } from './rule-issue.js';
import { ruleShapes, ruleType, type TableSettingsText } from './rule-schema.js';

/** More rules than anybody keeps; each is matched against every table and column. */
const MAX_RULES = 10_000;

/**
 * Reads AWS DMS table mappings, the JSON of `--table-mappings` and of DMS's `TableMappings`.
 *
 * @throws MillraceError MAPPING_JSON_INVALID with line and column; MAPPING_RULE_INVALID, MAPPING_RULE_DUPLICATE,
 * MAPPING_RULE_UNSUPPORTED, MAPPING_EXPRESSION_INVALID naming the rule-id and the offending word; MAPPING_NO_SELECTION.
 */
export function parseTableMappings(text: string): TableMapping {
  const rules = ruleList(parseJson(text));
  refuseDuplicates(rules);
  const selections: SelectionRule[] = [];
  const transformations: TransformationRule[] = [];
  const findings: Finding[] = [];
  for (const [index, input] of rules.entries()) {
    const label = ruleLabel(input, index);
    const type = parseShape(ruleType, property(input, 'rule-type'), { label, prefix: ['rule-type'] });
    switch (type) {
      case 'selection': {
        const rule = parseShape(ruleShapes.selection, input, { label, prefix: [] });
        selections.push(parseSelection(rule));
        if (rule['parallel-load'] !== undefined) findings.push(ignored(rule['rule-id'], 'parallel-load', PARALLEL_LOAD));
        break;
      }
      case 'transformation':
        transformations.push(parseTransformation(parseShape(ruleShapes.transformation, input, { label, prefix: [] })));
        break;
      case 'table-settings':
        findings.push(...settingsFindings(parseShape(ruleShapes['table-settings'], input, { label, prefix: [] })));
        break;
      case 'object-mapping':
        throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
          rule: label,
          what: 'an object-mapping rule',
          why: 'it shapes messages of Kafka, Kinesis and DynamoDB targets, and this target is a database',
          instead: 'Remove the rule.',
        });
      default:
        assertNever(type);
    }
  }
  if (!selections.some((rule) => rule.action !== 'exclude')) throw new MillraceError('MAPPING_NO_SELECTION');
  transformations.sort((a, b) => (a.rule.order < b.rule.order ? -1 : 1));
  return { selections, transformations, findings };
}

function ruleList(input: unknown): readonly unknown[] {
  const whole = (problem: string): MillraceError =>
    new MillraceError('MAPPING_RULE_INVALID', { rule: '–', path: '"rules"', problem });
  const rules = property(input, 'rules');
  if (!Array.isArray(rules)) throw whole('is missing: the text must be an object with a list "rules"');
  const stranger = Object.keys(Object(input)).find((key) => key !== 'rules');
  if (stranger !== undefined) throw whole(`stands beside "${stranger}", which is not known: ${suggest(stranger, ['rules'])}`);
  if (rules.length > MAX_RULES) throw whole(`holds ${rules.length} rules; at most ${MAX_RULES} are taken`);
  return rules.map(withoutNulls);
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (one === null ? [] : [[key, withoutNulls(one)]])));
}

function refuseDuplicates(rules: readonly unknown[]): void {
  for (const what of ['rule-id', 'rule-name']) {
    const seen = new Map<string, number>();
    for (const [index, rule] of rules.entries()) {
      const given = property(rule, what);
      if (typeof given !== 'string' && typeof given !== 'number') continue;
      // "01" and 1 are one rule-id: ids order rules by number.
      const value = what === 'rule-id' && /^\d{1,30}$/.test(String(given)) ? BigInt(given).toString() : String(given);
      const first = seen.get(value);
      if (first !== undefined && value !== '') {
        throw new MillraceError('MAPPING_RULE_DUPLICATE', { what, value, first: `rules[${first}]`, second: `rules[${index}]` });
      }
      seen.set(value, index);
    }
  }
}

/** A rule's id, or its place in the list where it has none. */
function ruleLabel(input: unknown, index: number): string {
  const id = property(input, 'rule-id');
  return typeof id === 'string' || typeof id === 'number' ? String(id) : `(rules[${index}])`;
}

function parseShape<T extends z.ZodType>(
  shape: T,
  input: unknown,
  at: { readonly label: string; readonly prefix: readonly string[] },
): z.output<T> {
  const result = shape.safeParse(input);
  if (result.success) return result.data;
  const [issue] = pickIssue(result.error.issues);
  if (issue === undefined) throw result.error;
  const { path, problem } = describeIssue(issue, input, shape);
  throw new MillraceError('MAPPING_RULE_INVALID', {
    rule: at.label,
    path: at.prefix.length === 0 ? path : at.prefix.join('.'),
    problem,
  });
}

/** A misspelt key also makes the right one missing; the misspelt one is what the reader has to see. */
function pickIssue(issues: readonly z.core.$ZodIssue[]): readonly z.core.$ZodIssue[] {
  const unknown = issues.filter((issue) => issue.code === 'unrecognized_keys');
  return unknown.length > 0 ? unknown : issues;
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

const PARALLEL_LOAD = 'every table is cut into chunks by its key and loaded in parallel';

function settingsFindings(rule: TableSettingsText): readonly Finding[] {
  const findings: Finding[] = [];
  if (rule['parallel-load'] !== undefined) findings.push(ignored(rule['rule-id'], 'parallel-load', PARALLEL_LOAD));
  if (rule['lob-settings'] !== undefined)
    findings.push(ignored(rule['rule-id'], 'lob-settings', 'large values travel whole, none is cut short'));
  if (rule['consistent-lookup'] !== undefined)
    findings.push(ignored(rule['rule-id'], 'consistent-lookup', 'values come from the log, not from lookups'));
  return findings;
}

function ignored(rule: string, setting: string, why: string): Finding {
  return findingOf('info', 'MAPPING_SETTING_IGNORED', `rule ${rule}`, { rule, setting, why });
}
