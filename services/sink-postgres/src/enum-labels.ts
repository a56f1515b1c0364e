import type { TableSchema, TypeDefinition } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteLiteral, quoteTable } from '@millrace/postgres/quote-identifier.js';

/** Each new label goes to its place: the order of labels is the order of values. `present`: those of the target, in order. */
export function addLabels(type: TypeDefinition, present: readonly string[]): readonly string[] {
  const known = [...present];
  const statements: string[] = [];
  type.labels.forEach((label, index) => {
    if (known.includes(label)) return;
    const before = type.labels[index - 1];
    const [first] = known;
    const place =
      before !== undefined ? ` AFTER ${quoteLiteral(before)}` : first !== undefined ? ` BEFORE ${quoteLiteral(first)}` : '';
    statements.push(
      `ALTER TYPE ${quoteTable({ schema: type.schema, table: type.name })} ADD VALUE IF NOT EXISTS ${quoteLiteral(label)}${place}`,
    );
    known.splice(before === undefined ? 0 : known.indexOf(before) + 1, 0, label);
  });
  return statements;
}

/**
 * ALTER TYPE … RENAME VALUE for every label that has another name in the next version. PostgreSQL drops no labels, so one that is gone was
 * renamed, and stands where it stood between those that stay.
 * @throws MillraceError ALTER_REFUSED where labels were added beside it and which is the renamed one cannot be told
 */
export function renameLabels(from: TableSchema, to: TableSchema): readonly string[] {
  return to.types.flatMap((type) =>
    [...renamesOf(type, from)].map(
      ([label, next]) =>
        `ALTER TYPE ${quoteTable({ schema: type.schema, table: type.name })} RENAME VALUE ${quoteLiteral(label)} TO ${quoteLiteral(next)}`,
    ),
  );
}

/** The enum with the names that its labels have in the target now, where those are from before a rename. */
export function withPresentNames(type: TypeDefinition, present: readonly string[], from: TableSchema | null): TypeDefinition {
  if (from === null) return type;
  const earlier = new Map([...renamesOf(type, from)].map(([label, next]) => [next, label]));
  const labels = type.labels.map((label) => {
    const old = earlier.get(label);
    return old !== undefined && present.includes(old) && !present.includes(label) ? old : label;
  });
  return { ...type, labels };
}

/** Old label → new label. */
function renamesOf(type: TypeDefinition, from: TableSchema): ReadonlyMap<string, string> {
  const before = from.types.find(({ schema, name, kind }) => schema === type.schema && name === type.name && kind === 'enum');
  if (before === undefined || type.kind !== 'enum') return new Map();
  return renamedLabels(before.labels, type.labels, `${type.schema}.${type.name}`);
}

function renamedLabels(before: readonly string[], after: readonly string[], type: string): ReadonlyMap<string, string> {
  const renamed = new Map<string, string>();
  const stays = new Set(before.filter((label) => after.includes(label)));
  const runsBefore = runsBetween(before, stays);
  const runsAfter = runsBetween(after, stays);
  runsBefore.forEach((gone, index) => {
    const come = runsAfter[index] ?? [];
    if (gone.length > 0 && gone.length !== come.length) {
      throw new MillraceError('ALTER_REFUSED', {
        table: type,
        step: 'ALTER TYPE … RENAME VALUE',
        reason: `which label ${gone.join(', ')} became cannot be told`,
        state: '0A000',
      });
    }
    for (const [place, label] of gone.entries()) renamed.set(label, come[place] ?? label);
  });
  return renamed;
}

/** The labels that do not stay, as runs before, between and after those that do. */
function runsBetween(labels: readonly string[], stays: ReadonlySet<string>): readonly (readonly string[])[] {
  const runs: string[][] = [[]];
  for (const label of labels) {
    if (stays.has(label)) runs.push([]);
    else runs.at(-1)?.push(label);
  }
  return runs;
}
