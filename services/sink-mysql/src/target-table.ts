/** A column of a target table as its catalogue has it. */
export interface TargetColumn {
  readonly name: string;
  /** The type's bare name: `varchar`. */
  readonly type: string;
  /** As the server prints it in DDL: `varchar(20)`. */
  readonly declaration: string;
  readonly nullable: boolean;
  /** As the catalogue prints it, which is the engine's own way; null: none, or NULL. */
  readonly default: string | null;
  readonly autoIncrement: boolean;
  /** Computed by the target: never written. */
  readonly generated: boolean;
  readonly expression: string | null;
  /** Of text columns; null otherwise. */
  readonly charset: string | null;
  readonly collation: string | null;
}

/** A target table as its catalogue has it. */
export interface TargetTable {
  readonly columns: readonly TargetColumn[];
  readonly primaryKey: readonly string[];
  /** Columns of each index that keeps them unique, the primary key's included. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** `InnoDB`; null where it is not a base table. */
  readonly storageEngine: string | null;
  /** `BASE TABLE`, `VIEW` … */
  readonly kind: string;
  readonly triggers: readonly string[];
}
