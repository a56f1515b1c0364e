import { type ImageLayout, imageLayoutOf } from '@millrace/apply/image-layout.js';
import type { WireType } from '@millrace/codec/wire-type.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { quoteIdentifier, quoteTable } from '@millrace/postgres/quote-identifier.js';
import { binaryEncoderOf, type FieldEncoder, OID, textEncoderOf } from './binary-fields.js';
import type { TargetColumn, TargetTable } from './target-column.js';

/** How one column of the images is written. */
export interface PlannedColumn {
  /** Index in the image. */
  readonly index: number;
  readonly name: string;
  /** Quoted. */
  readonly sql: string;
  readonly wire: WireType;
  /** The type's quoted name without a modifier: a cast to it never cuts a value, the column's own modifier is checked on assignment. */
  readonly type: string;
  readonly oid: number;
  readonly isBinary: boolean;
  /** Encodes an array element of type `parameterType`. */
  readonly encode: FieldEncoder;
  readonly parameterType: string;
  readonly parameterOid: number;
  /** The column in a comparison. PostgreSQL finds no enum or range operator for a domain over one: its base type has it, and its index serves. */
  readonly compared: string;
  /** The equality operator of the column's type, whatever the search path. */
  readonly equals: string;
  readonly isKey: boolean;
  /** No UPDATE can set it. */
  readonly identityAlways: boolean;
  /** Two values that are equal by the type's operator are the same value. */
  readonly exactEquality: boolean;
  readonly isComposite: boolean;
}

/** Everything about writing the rows of one table version into its target table; made once per version and state of the target. */
export interface WritePlan {
  readonly version: TableVersion;
  readonly table: TargetTable;
  readonly layout: ImageLayout;
  /** By index in the image; null: the target computes it. */
  readonly columns: readonly (PlannedColumn | null)[];
  readonly written: readonly PlannedColumn[];
  readonly key: readonly PlannedColumn[];
  /** Every column has a binary form: rows can go by COPY BINARY. */
  readonly canCopy: boolean;
  /** The target has columns that the source has not: a row must never be deleted and inserted again. */
  readonly hasFurtherColumns: boolean;
}

/** The plan, or the name of a column that the target table lacks. */
export function writePlanOf(version: TableVersion, table: TargetTable): WritePlan | { readonly missing: string } {
  const layout = imageLayoutOf(version);
  const targets = new Map(table.columns.map((column) => [column.name, column]));
  const columns: (PlannedColumn | null)[] = [];
  for (const [index, column] of version.schema.columns.entries()) {
    const target = targets.get(column.name);
    if (target === undefined && column.generated === null) return { missing: column.name };
    columns.push(
      target === undefined || target.generated || column.generated !== null ? null : planColumn(index, target, layout),
    );
  }
  const written = columns.filter((column) => column !== null);
  const key = layout.key.flatMap((index) => columns[index] ?? []);
  if (key.length !== layout.key.length) return { missing: version.schema.columns[layout.key[0] ?? 0]?.name ?? 'key' };
  const sourceNames = new Set(version.schema.columns.map((column) => column.name));
  return {
    version,
    table,
    layout,
    columns,
    written,
    key,
    canCopy: written.length > 0 && written.every((column) => column.isBinary),
    hasFurtherColumns: table.columns.some((column) => !column.generated && !sourceNames.has(column.name)),
  };
}

function planColumn(index: number, target: TargetColumn, layout: ImageLayout): PlannedColumn {
  const wire = layout.wires[index] ?? 'string';
  const { type } = target;
  const binary = binaryEncoderOf(wire, type);
  const typeName = quoteTable({ schema: type.schema, table: type.name });
  // An extension's type has its operators beside it; enums, arrays, ranges and composites use pg_catalog's polymorphic ones.
  const operatorSchema = type.kind === 'b' && !type.name.startsWith('_') ? type.schema : 'pg_catalog';
  const sql = quoteIdentifier(target.name);
  return {
    index,
    name: target.name,
    sql,
    wire,
    type: typeName,
    oid: type.oid,
    isBinary: binary !== undefined,
    encode: binary ?? textEncoderOf(wire),
    parameterType: binary === undefined ? 'pg_catalog."text"' : typeName,
    parameterOid: binary === undefined ? OID.text : type.oid,
    compared: ENUM_OR_RANGE.has(type.kind) ? `t.${sql}::${typeName}` : `t.${sql}`,
    equals: `OPERATOR(${quoteIdentifier(operatorSchema)}.=)`,
    isKey: layout.key.includes(index),
    identityAlways: target.identityAlways,
    exactEquality: type.kind === 'e' || EXACT_EQUALITY.has(type.oid),
    isComposite: type.kind === 'c',
  };
}

/** pg_type.typtype of enums, ranges and multiranges. */
const ENUM_OR_RANGE = new Set(['e', 'r', 'm']);

/** Others have equal values that differ (1.0 and 1.00, 0 and -0, citext) or no equality at all (json, xml, point). */
const EXACT_EQUALITY = new Set<number>([
  OID.bool,
  OID.bytea,
  OID.int8,
  OID.int2,
  OID.int4,
  OID.oid,
  OID.uuid,
  OID.date,
  OID.time,
  OID.timestamp,
  OID.timestamptz,
]);
