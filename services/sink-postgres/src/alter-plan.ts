import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import type { PresentColumn, PresentTable } from './present-table.js';

/** One step on the way of a target table from one version to the next. */
export type AlterStep =
  | { readonly do: 'drop-key'; readonly constraint: string }
  | { readonly do: 'drop-column'; readonly column: string }
  | { readonly do: 'rename-column'; readonly from: string; readonly to: string }
  | { readonly do: 'drop-expression'; readonly column: string }
  | { readonly do: 'drop-default'; readonly column: string }
  | { readonly do: 'drop-identity'; readonly column: string }
  | { readonly do: 'drop-not-null'; readonly column: string }
  | { readonly do: 'retype'; readonly column: ColumnSchema }
  | { readonly do: 'add-column'; readonly column: ColumnSchema }
  | { readonly do: 'set-default'; readonly column: ColumnSchema }
  | { readonly do: 'set-not-null'; readonly column: string }
  | { readonly do: 'add-identity'; readonly column: ColumnSchema }
  | { readonly do: 'set-identity'; readonly column: ColumnSchema }
  | { readonly do: 'add-key' };

/** A column of both versions: the same one by its ordinal, whatever its name. */
interface KeptColumn {
  readonly before: ColumnSchema;
  readonly after: ColumnSchema;
}

interface TargetColumn extends KeptColumn {
  readonly target: PresentColumn;
}

/**
 * The first steps from one version to the next: what goes, and names. What the catalogue shows as done is left out; columns that neither
 * version has are somebody else's and stay.
 */
export function planNames(from: TableSchema, to: TableSchema, present: PresentTable): readonly AlterStep[] {
  const names = new Set(present.columns.map(({ name }) => name));
  const after = new Set(to.columns.map(({ ordinal }) => ordinal));
  const dropped = from.columns.filter((column) => !after.has(column.ordinal) && names.has(column.name));
  const steps: AlterStep[] = [];
  const { primaryKey } = present;
  if (primaryKey !== null && keyChanges(from, to) && !sameNames(primaryKey.columns, to.primaryKey)) {
    steps.push({ do: 'drop-key', constraint: primaryKey.name });
  }
  // What a generated column is computed from cannot go before it.
  for (const { name } of [...dropped.filter(isGenerated), ...dropped.filter((column) => !isGenerated(column))]) {
    steps.push({ do: 'drop-column', column: name });
    names.delete(name);
  }
  return [...steps, ...planRenames(keptColumns(from, to), names)];
}

/**
 * The further steps, for a table that has its new names: types, defaults, what is new, the key.
 * `holds`: whether a column that the target has in a type of its own can hold the new version's values, and so keeps that type.
 */
export function planColumns(
  from: TableSchema,
  to: TableSchema,
  present: PresentTable,
  holds: (column: ColumnSchema, target: PresentColumn) => boolean,
): readonly AlterStep[] {
  const targets = new Map(present.columns.map((column) => [column.name, column]));
  const kept = keptColumns(from, to).flatMap(({ before, after }) => {
    const target = targets.get(after.name);
    return target === undefined ? [] : [{ before, after, target }];
  });
  const retyped = kept.filter((column) => isRetyped(column, holds)).map(({ after }) => after);
  const remade = kept
    .filter((column) => column.after.generated !== null && (isOtherExpression(column) || dependsOn(column.after, retyped)))
    .map(({ after }) => after);
  const added = to.columns.filter((column) => !targets.has(column.name));
  const made = [...added, ...remade];
  const steps: AlterStep[] = remade.map(({ name }) => ({ do: 'drop-column', column: name }));
  for (const column of kept)
    if (!remade.includes(column.after)) steps.push(...columnSteps(column, retyped.includes(column.after)));
  for (const column of [...made.filter((each) => !isGenerated(each)), ...made.filter(isGenerated)])
    steps.push({ do: 'add-column', column });
  for (const column of added) if (!isGenerated(column) && column.default !== null) steps.push({ do: 'set-default', column });
  const hasKey = sameNames(present.primaryKey?.columns ?? [], to.primaryKey);
  if (keyChanges(from, to) && to.primaryKey.length > 0 && !hasKey) steps.push({ do: 'add-key' });
  return steps;
}

function keptColumns(from: TableSchema, to: TableSchema): readonly KeptColumn[] {
  const earlier = new Map(from.columns.map((column) => [column.ordinal, column]));
  return to.columns.flatMap((after) => {
    const before = earlier.get(after.ordinal);
    return before === undefined ? [] : [{ before, after }];
  });
}

function isGenerated({ generated }: ColumnSchema): boolean {
  return generated !== null;
}

function columnSteps({ before, after, target }: TargetColumn, retyped: boolean): readonly AlterStep[] {
  const { name } = after;
  const steps: AlterStep[] = [];
  if (before.generated !== null && after.generated === null && target.generated)
    steps.push({ do: 'drop-expression', column: name });
  const identityChanges = before.identity !== after.identity;
  const defaultChanges = changesDefault({ before, after, target });
  // A default of the old type may have no cast to the new one.
  const clearsDefault =
    target.hasDefault &&
    !target.generated &&
    ((retyped && after.identity === 'none') || (defaultChanges && (after.default === null || identityChanges)));
  if (clearsDefault) steps.push({ do: 'drop-default', column: name });
  if (identityChanges && target.identity !== '' && !isIdentity(after)) steps.push({ do: 'drop-identity', column: name });
  if (before.nullable !== after.nullable && after.nullable && target.notNull) steps.push({ do: 'drop-not-null', column: name });
  if (retyped) steps.push({ do: 'retype', column: after });
  if (before.nullable !== after.nullable && !after.nullable && !target.notNull) steps.push({ do: 'set-not-null', column: name });
  if (after.default !== null && (defaultChanges || clearsDefault)) steps.push({ do: 'set-default', column: after });
  if (identityChanges && isIdentity(after) && target.identity !== identityLetter(after)) {
    steps.push({ do: target.identity === '' ? 'add-identity' : 'set-identity', column: after });
  }
  return steps;
}

/** A serial column's default names its own sequence, in the target another one than in the source. */
function changesDefault({ before, after, target }: TargetColumn): boolean {
  if (after.generated !== null) return false;
  if (after.identity === 'serial') return before.identity !== 'serial' && target.expression?.includes('nextval(') !== true;
  return before.default !== after.default && target.expression !== after.default;
}

function isIdentity({ identity }: ColumnSchema): boolean {
  return identity === 'always' || identity === 'by-default';
}

function identityLetter({ identity }: ColumnSchema): 'a' | 'd' {
  return identity === 'always' ? 'a' : 'd';
}

function isRetyped(
  { before, after, target }: TargetColumn,
  holds: (column: ColumnSchema, target: PresentColumn) => boolean,
): boolean {
  if (after.generated !== null) return false;
  const { declaration } = after.native;
  if (before.native.declaration === declaration)
    return before.collation !== after.collation && target.collation !== after.collation;
  if (target.declaration === declaration) return false;
  // The target's own choice of a type, made before the task, is kept while it does.
  return target.declaration === before.native.declaration || !holds(after, target);
}

/** The source prints an expression anew where a column in it was renamed: what the target prints then tells. */
function isOtherExpression({ before, after, target }: TargetColumn): boolean {
  if (before.native.declaration !== after.native.declaration) return true;
  return before.generated !== after.generated && target.expression !== after.generated;
}

/** Whether the expression may name one of the columns; it may also only seem to, which costs time and nothing else. */
function dependsOn({ generated }: ColumnSchema, columns: readonly ColumnSchema[]): boolean {
  return columns.some(({ name }) => generated?.includes(name.replaceAll('"', '""')) === true);
}

function keyChanges(from: TableSchema, to: TableSchema): boolean {
  const kept = keptColumns(from, to);
  const renamed = from.primaryKey.map((name) => kept.find(({ before }) => before.name === name)?.after.name ?? '');
  return !sameNames(renamed, to.primaryKey);
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}

/** Renames in an order in which every new name is free; where names go round in a circle one waits under a name of its own. */
function planRenames(
  kept: readonly KeptColumn[],
  present: ReadonlySet<string>,
): readonly Extract<AlterStep, { do: 'rename-column' }>[] {
  const names = new Set(present);
  const steps: Extract<AlterStep, { do: 'rename-column' }>[] = [];
  const rename = (from: string, to: string): void => {
    steps.push({ do: 'rename-column', from, to });
    names.delete(from);
    names.add(to);
  };
  let pending = kept
    .filter(({ before, after }) => before.name !== after.name && names.has(before.name))
    .map(({ before, after }) => ({ from: before.name, to: after.name, ordinal: after.ordinal }));
  while (pending.length > 0) {
    const next = pending.find(({ to }) => !names.has(to)) ?? pending.find(({ to }) => !pending.some(({ from }) => from === to));
    if (next !== undefined) {
      rename(next.from, next.to);
      pending = pending.filter((each) => each !== next);
      continue;
    }
    const [first, ...others] = pending;
    if (first === undefined) break;
    const waiting = `millrace_renaming_${first.ordinal}`;
    rename(first.from, waiting);
    pending = [...others, { ...first, from: waiting }];
  }
  return steps;
}
