/** A value at the edge of what a PostgreSQL type holds. */
export interface EdgeValue {
  /** Unique in the corpus; for messages. */
  readonly name: string;
  /** The column's type as DDL: `numeric(10,2)`, `edge.mood[]`. */
  readonly type: string;
  /** SQL expression of the value; assignable to a column of the type. */
  readonly literal: string;
  /** First major version of PostgreSQL that has the value or its type. */
  readonly since: number;
  /** Extension that the type comes from; null: the server's own. */
  readonly extension: string | null;
}

interface Needs {
  readonly since?: number;
  readonly extension?: string;
}

/** One edge value per text; each is quoted as a literal of the type. */
export function texts(type: string, values: readonly string[], needs: Needs = {}): EdgeValue[] {
  return values.map((value) => edge(type, `'${value.replaceAll("'", "''")}'`, needs));
}

/** One edge value per SQL expression. */
export function expressions(type: string, values: readonly string[], needs: Needs = {}): EdgeValue[] {
  return values.map((value) => edge(type, value, needs));
}

const FIRST_SUPPORTED_VERSION = 13;

function edge(type: string, literal: string, { since = FIRST_SUPPORTED_VERSION, extension }: Needs): EdgeValue {
  const shown = literal.length > 60 ? `${literal.slice(0, 40)}… (${literal.length})` : literal;
  return { name: `${type}: ${shown}`, type, literal, since, extension: extension ?? null };
}
