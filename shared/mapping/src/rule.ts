import type { Finding } from '@millrace/contract/finding.js';
import type { RowFilter } from '@millrace/contract/load.js';
import type { Expression } from './expression/syntax.js';
import type { NamePattern } from './selection/name-pattern.js';

/** How people know a rule. `order` is the rule-id as a number: of rules that compete, the lowest wins. */
export interface RuleIdentity {
  /** The rule-id; for patterns of the command line the flag itself, e.g. `--include public.%`. */
  readonly id: string;
  readonly order: bigint;
}

export interface SelectionRule {
  readonly rule: RuleIdentity;
  readonly action: 'include' | 'exclude' | 'explicit';
  readonly schema: NamePattern;
  readonly table: NamePattern;
  /** Tables with a higher load-order are loaded first; 0 where the rule does not say. */
  readonly loadOrder: number;
  /** Conditions on the table's rows, or null for all rows. */
  readonly filter: RowFilter | null;
}

/** DMS's built-in types that have a meaning here (CHAP_Reference.DataTypes and the transformation page). */
export const DMS_TYPES = [
  'bytes',
  'date',
  'time',
  'datetime',
  'int1',
  'int2',
  'int4',
  'int8',
  'numeric',
  'real4',
  'real8',
  'string',
  'uint1',
  'uint2',
  'uint4',
  'uint8',
  'wstring',
  'blob',
  'nclob',
  'clob',
  'boolean',
] as const;
export type DmsTypeName = (typeof DMS_TYPES)[number];

export interface DmsType {
  readonly name: DmsTypeName;
  readonly length: number | null;
  readonly precision: number | null;
  readonly scale: number | null;
}

/** A change of one name: of a schema, a table or a column. */
export type NameChange =
  | { readonly kind: 'rename'; readonly to: string }
  | { readonly kind: 'rename-expression'; readonly expression: Expression }
  | { readonly kind: 'add-prefix' | 'remove-prefix' | 'add-suffix' | 'remove-suffix'; readonly affix: string }
  | { readonly kind: 'replace-prefix' | 'replace-suffix'; readonly from: string; readonly to: string }
  | { readonly kind: 'convert-lowercase' | 'convert-uppercase' };

export type Masking =
  | { readonly kind: 'digits-mask'; readonly character: string }
  | { readonly kind: 'digits-randomize' }
  | { readonly kind: 'hash' };

export type Transformation =
  | { readonly kind: 'name'; readonly target: 'schema' | 'table' | 'column'; readonly change: NameChange }
  | { readonly kind: 'add-column'; readonly column: string; readonly expression: Expression | null; readonly type: DmsType }
  | { readonly kind: 'remove-column' }
  | { readonly kind: 'include-column' }
  | { readonly kind: 'change-data-type'; readonly type: DmsType }
  | { readonly kind: 'define-primary-key'; readonly name: string; readonly columns: readonly string[] }
  | {
      readonly kind: 'before-image';
      readonly prefix: string;
      readonly suffix: string;
      readonly columns: 'pk-only' | 'non-lob' | 'all';
    }
  | { readonly kind: 'mask'; readonly masking: Masking };

export interface TransformationRule {
  readonly rule: RuleIdentity;
  readonly schema: NamePattern;
  /** Matches every table where the rule's target is a schema. */
  readonly table: NamePattern;
  /** Matches every column where the object-locator names none. */
  readonly column: NamePattern;
  /** Only columns of this DMS type; null for any. */
  readonly dataType: DmsTypeName | null;
  readonly action: Transformation;
}

/** Table mappings as parsed: what a task selects, and what it does to names, columns and rows. */
export interface TableMapping {
  readonly selections: readonly SelectionRule[];
  /** By rule-id, lowest first. */
  readonly transformations: readonly TransformationRule[];
  /** Settings that were accepted and are not used, each with why. */
  readonly findings: readonly Finding[];
}
