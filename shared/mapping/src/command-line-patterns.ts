import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { SelectionRule, TableMapping } from './rule.js';
import { literalName, type NamePattern, parseNamePattern } from './selection/name-pattern.js';

/**
 * The selection of `--include` and `--exclude`, each `schema.table`. `%` stands for any text and `[ab]` for one of a and b; every
 * other character, `_` too, for itself. A part in double quotes is taken as it is, with `""` for a quote: `"My.Schema"."100%"`.
 * @throws MillraceError SELECTION_PATTERN_INVALID, MAPPING_NO_SELECTION
 */
export function mappingFromPatterns(include: readonly string[], exclude: readonly string[]): TableMapping {
  if (include.length === 0) throw new MillraceError('MAPPING_NO_SELECTION');
  const rules = [
    ...include.map((text) => ({ text, action: 'include' as const })),
    ...exclude.map((text) => ({ text, action: 'exclude' as const })),
  ];
  const selections = rules.map(({ text, action }, index): SelectionRule => {
    const flag = `--${action}`;
    const [schema, table] = parsePattern(flag, text);
    return { rule: { id: `${flag} ${text}`, order: BigInt(index + 1) }, action, schema, table, loadOrder: 0, filter: null };
  });
  return { selections, transformations: [], findings: [] };
}

function parsePattern(flag: string, pattern: string): readonly [NamePattern, NamePattern] {
  const fail = (problem: string): MillraceError => new MillraceError('SELECTION_PATTERN_INVALID', { flag, pattern, problem });
  const parts: NamePattern[] = [];
  let rest = pattern;
  for (;;) {
    const part = /^(?:"((?:[^"]|"")+)"|([^".]+))(\.|$)/.exec(rest);
    if (part === null)
      throw fail(rest.startsWith('"') ? 'a quoted part does not end in a quote and a dot' : 'expected schema.table');
    const [all, quoted, plain = '', separator] = part;
    if (quoted === undefined) {
      const parsed = parseNamePattern(plain.replaceAll(/\\.|_/gs, (piece) => (piece === '_' ? '[_]' : piece)));
      if ('problem' in parsed) throw fail(`"${plain}" ${parsed.problem}`);
      parts.push({ ...parsed, text: plain });
    } else {
      parts.push(literalName(quoted.replaceAll('""', '"')));
    }
    rest = rest.slice(all.length);
    if (separator === '') break;
  }
  const [schema, table] = parts;
  if (schema === undefined || table === undefined || parts.length > 2) {
    throw fail(
      parts.length > 2
        ? 'it has more than one dot; put a name that holds a dot in double quotes'
        : 'the table is missing; for a whole schema write schema.%',
    );
  }
  return [schema, table];
}
