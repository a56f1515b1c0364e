import { type ImageLayout, imageLayoutOf } from '@millrace/apply/image-layout.js';
import type { WireType } from '@millrace/codec/wire-type.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { quoteIdentifier, quoteTable } from '@millrace/mysql/quote-identifier.js';
import { formOf, type ValueForm } from './literals.js';
import type { TargetColumn, TargetTable } from './target-table.js';

/** How one column of the images is written. */
export interface PlannedColumn {
  /** Index in the image. */
  readonly index: number;
  readonly name: string;
  /** Quoted. */
  readonly sql: string;
  readonly wire: WireType;
  readonly form: ValueForm;
  readonly isKey: boolean;
}

/** Everything about writing the rows of one table version into its target table; made once per version and state of the target. */
export interface WritePlan {
  readonly version: TableVersion;
  readonly target: TargetTable;
  /** Quoted, with its database. */
  readonly relation: string;
  readonly layout: ImageLayout;
  /** By index in the image; null: the target computes it. */
  readonly columns: readonly (PlannedColumn | null)[];
  readonly written: readonly PlannedColumn[];
  readonly key: readonly PlannedColumn[];
  /** The target has columns that the source has not: a row must never be deleted and inserted again. */
  readonly hasFurtherColumns: boolean;
  /** `INSERT INTO … (…) VALUES `. */
  readonly insertInto: string;
}

/** The plan, or the name of a column that the target table lacks. */
export function writePlanOf(version: TableVersion, target: TargetTable): WritePlan | { readonly missing: string } {
  const layout = imageLayoutOf(version);
  const targets = new Map(target.columns.map((column) => [column.name, column]));
  const columns: (PlannedColumn | null)[] = [];
  for (const [index, column] of version.schema.columns.entries()) {
    const found = targets.get(column.name);
    if (found === undefined && column.generated === null) return { missing: column.name };
    columns.push(found === undefined || found.generated || column.generated !== null ? null : planColumn(index, found, layout));
  }
  const written = columns.filter((column) => column !== null);
  const key = layout.key.flatMap((index) => columns[index] ?? []);
  if (key.length !== layout.key.length) return { missing: version.schema.columns[layout.key[0] ?? 0]?.name ?? 'key' };
  const sourceNames = new Set(version.schema.columns.map((column) => column.name));
  const relation = quoteTable(version.schema.id);
  return {
    version,
    target,
    relation,
    layout,
    columns,
    written,
    key,
    hasFurtherColumns: target.columns.some((column) => !column.generated && !sourceNames.has(column.name)),
    insertInto: `INSERT INTO ${relation} (${written.map(({ sql }) => sql).join(', ')}) VALUES `,
  };
}

function planColumn(index: number, target: TargetColumn, layout: ImageLayout): PlannedColumn {
  return {
    index,
    name: target.name,
    sql: quoteIdentifier(target.name),
    wire: layout.wires[index] ?? 'string',
    form: formOf(target),
    isKey: layout.key.includes(index),
  };
}
