/** A type of the target's catalogue (pg_type). */
export interface TargetType {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_type.typtype: b base, e enum, c composite, r range, m multirange, p pseudo. */
  readonly kind: string;
}

/** A column of a target table, as far as writing it needs. */
export interface TargetColumn {
  readonly name: string;
  /** The column's type; for a domain its base type in the end, whose binary and text forms the domain shares. */
  readonly type: TargetType;
  /** Computed by the target: never written. */
  readonly generated: boolean;
  /** GENERATED ALWAYS AS IDENTITY: inserted with OVERRIDING SYSTEM VALUE, and no UPDATE can set it. */
  readonly identityAlways: boolean;
}

/** The target table of a table version, as the catalogue has it now. */
export interface TargetTable {
  readonly oid: number;
  /** Quoted, schema-qualified. */
  readonly relation: string;
  readonly columns: readonly TargetColumn[];
  /** The table is in state error: its changes are passed over until it is loaded again. */
  readonly suspended: boolean;
}
