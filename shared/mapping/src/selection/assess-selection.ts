import type { SourceTable } from '@millrace/contract/capture.js';
import type { Finding } from '@millrace/contract/finding.js';
import { findingOf, findingOfError } from '../finding.js';
import type { SelectionRule, TableMapping } from '../rule.js';
import { showTable } from '../table-name.js';
import { decide, filterRule, isCarried, matches, namesExactly } from './decide.js';

const KIND_WORDS: Readonly<Record<SourceTable['kind'], string>> = {
  table: 'a table',
  partitioned: 'a partitioned table',
  partition: 'a partition',
  view: 'a view',
  'materialized-view': 'a materialized view',
  foreign: 'a foreign table',
  temporary: 'a temporary table',
  unlogged: 'an unlogged table',
  system: 'a system table',
};

/** What is wrong, or worth knowing, about the selection over what the source holds now. */
export function assessSelection(mapping: TableMapping, tables: readonly SourceTable[]): readonly Finding[] {
  const taking = mapping.selections.filter((rule) => rule.action !== 'exclude');
  const carried = tables.filter((table) => isCarried(table) && table.kind !== 'partition');
  const findings = tables.flatMap((table) => assessTable(mapping, table));
  for (const rule of taking) {
    if (tables.some((table) => matches(rule, table.id) && (isCarried(table) || namesExactly(rule, table.id)))) continue;
    findings.push(missing(rule));
  }
  if (!carried.some((table) => decide(mapping, table.id).selected)) {
    const rules = taking.map((rule) => `${rule.rule.id}: ${patternText(rule)}`).join('; ');
    findings.unshift(findingOf('error', 'SELECTION_MATCHES_NOTHING', 'source', { rules }));
  }
  return findings;
}

function assessTable(mapping: TableMapping, table: SourceTable): readonly Finding[] {
  const where = showTable(table.id);
  const findings: Finding[] = [];
  const taking = mapping.selections.filter((rule) => rule.action !== 'exclude' && matches(rule, table.id));
  const excluding = mapping.selections.find((rule) => rule.action === 'exclude' && matches(rule, table.id));
  if (table.kind === 'partition' && table.root !== null)
    return assessPartition(mapping, { ...table, root: table.root }, { taking, excluding });
  const [first] = taking;
  if (first === undefined || excluding !== undefined) return [];
  const named = taking.find((rule) => namesExactly(rule, table.id));
  if (isCarried(table)) {
    try {
      filterRule(mapping, table.id);
    } catch (error) {
      findings.push(findingOfError(error, where));
    }
  } else if (named !== undefined) {
    findings.push(
      findingOf('error', 'SELECTION_TABLE_REFUSED', where, { rule: named.rule.id, table: where, kind: KIND_WORDS[table.kind] }),
    );
  } else if (table.kind === 'unlogged') {
    findings.push(findingOf('warning', 'SELECTION_UNLOGGED_SKIPPED', where, { rule: first.rule.id, table: where }));
  }
  return findings;
}

interface PartitionRules {
  readonly taking: readonly SelectionRule[];
  readonly excluding: SelectionRule | undefined;
}

/** A partition goes as its root does: a selection that tells them apart cannot be carried out. */
function assessPartition(
  mapping: TableMapping,
  table: SourceTable & { readonly root: NonNullable<SourceTable['root']> },
  rules: PartitionRules,
): readonly Finding[] {
  const where = showTable(table.id);
  const root = showTable(table.root);
  const rootSelected = decide(mapping, table.root).selected;
  const [first] = rules.taking;
  if (rootSelected && rules.excluding !== undefined) {
    return [findingOf('error', 'SELECTION_PARTITION_EXCLUDED', where, { rule: rules.excluding.rule.id, table: where, root })];
  }
  if (rootSelected || first === undefined || rules.excluding !== undefined) return [];
  // Where the root itself is excluded, a wildcard that still takes its partitions is left without a say.
  const rootExcluded = mapping.selections.some((rule) => rule.action === 'exclude' && matches(rule, table.root));
  const named = rules.taking.find((rule) => namesExactly(rule, table.id));
  if (rootExcluded && named === undefined) return [];
  return [findingOf('error', 'SELECTION_PARTITION_ALONE', where, { rule: (named ?? first).rule.id, table: where, root })];
}

function missing(rule: SelectionRule): Finding {
  const pattern = patternText(rule);
  if (rule.schema.wild || rule.table.wild) {
    return findingOf('warning', 'SELECTION_RULE_MATCHES_NOTHING', 'source', { rule: rule.rule.id, pattern });
  }
  const wildcards = rule.action === 'explicit' && /[%[]/.test(rule.schema.text + rule.table.text);
  const hint = wildcards ? ' Rule-action "explicit" takes no wildcards; use "include" for them.' : '';
  return findingOf('error', 'SELECTION_TABLE_MISSING', 'source', { rule: rule.rule.id, pattern, hint });
}

function patternText(rule: SelectionRule): string {
  return showTable({ schema: rule.schema.text, table: rule.table.text });
}
