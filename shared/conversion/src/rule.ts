import type { ColumnSchema, LogicalType } from '@millrace/contract/table.js';

/** The engines whose types the tables know. */
export type Engine = 'postgresql' | 'mysql' | 'mariadb';

/** A server of an engine, as far as its types depend on it. */
export interface TargetServer {
  readonly engine: Engine;
  /** `10_011_019` for 10.11.19, `150_004` for PostgreSQL 15.4: newer is higher. */
  readonly version: number;
}

/**
 * What becomes of a type's values. `exact`: each reads back the same, in a type that holds no more. `widens`: the same, in a type that
 * could hold more. `refuses`: most are exact, and one that the target cannot hold is an error under the task's policy, never bent.
 */
export type Fidelity = 'exact' | 'widens' | 'refuses';

/** A column's type in the target. */
export interface TargetType {
  /** The type's bare name there. */
  readonly name: string;
  /** As the engine's DDL, and its catalogue, write it. */
  readonly declaration: string;
  /** A collation that the type needs to tell apart what the source tells apart; null: none, or the type has none. */
  readonly collation: string | null;
}

export interface ColumnPlace {
  readonly column: ColumnSchema;
  readonly isKey: boolean;
  readonly target: TargetServer;
}

/** One line of a pair's table of types: what the code does and what the documents say are the same object. */
export interface TypeRule {
  /** The source's bare type names; absent: any. */
  readonly names?: readonly string[];
  /** What the type means (a PostgreSQL domain means what its base type does); absent: anything. */
  readonly kinds?: readonly LogicalType['kind'][];
  /** Further condition on the column, for two lines of one name; its words are part of `shown`. */
  readonly when?: (place: ColumnPlace) => boolean;
  /** The source's side, for people: `tinyint … unsigned`. */
  readonly shown: string;
  /** The target's side, for people. */
  readonly becomes: string;
  readonly fidelity: Fidelity;
  /** What somebody should know; empty where there is nothing. */
  readonly note: string;
  readonly to: (place: ColumnPlace) => TargetType;
}

/** The types of one engine in another one's tables; the last line takes whatever no other does. */
export interface TypeTable {
  readonly source: Engine;
  readonly target: Engine;
  readonly rules: readonly TypeRule[];
}

export function plainType(name: string, declaration = name): TargetType {
  return { name, declaration, collation: null };
}
