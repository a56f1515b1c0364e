import type { MysqlEngine } from '@millrace/local/mysql-binaries.js';

/** A value at the edge of what a type of MySQL or MariaDB holds. */
export interface MysqlEdgeValue {
  /** Unique in the corpus of its engine; for messages. */
  readonly name: string;
  /** The column's type as DDL: `varchar(50) CHARACTER SET latin1`. */
  readonly type: string;
  /** SQL expression of the value, for a session with Millrace's own sql_mode (zero dates are values). */
  readonly literal: string;
  /** Null: both engines have it. */
  readonly engine: MysqlEngine | null;
  /** False: PostgreSQL has no such value, so that it is refused there and not bent. */
  readonly inPostgres: boolean;
  /** False: MySQL itself cannot make it from the text that it prints, so that it is refused there and not bent. */
  readonly inMysql: boolean;
}

export interface MysqlEdgeOptions {
  readonly engine?: MysqlEngine;
  readonly inPostgres?: boolean;
  readonly inMysql?: boolean;
}

/** One edge value per text; each is quoted as a literal. */
export function texts(type: string, values: readonly string[], options: MysqlEdgeOptions = {}): MysqlEdgeValue[] {
  return expressions(
    type,
    values.map((value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`),
    options,
  );
}

/** One edge value per SQL expression. */
export function expressions(type: string, values: readonly string[], options: MysqlEdgeOptions = {}): MysqlEdgeValue[] {
  return values.map((literal) => {
    const shown = literal.length > 60 ? `${literal.slice(0, 40)}… (${literal.length})` : literal;
    return {
      name: `${type}: ${shown}`,
      type,
      literal,
      engine: options.engine ?? null,
      inPostgres: options.inPostgres ?? true,
      inMysql: options.inMysql ?? true,
    };
  });
}
