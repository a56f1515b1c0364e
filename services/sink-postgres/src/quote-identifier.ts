/**
 * An identifier as PostgreSQL's SQL writes it: always quoted, so that case, blanks and reserved words stay what they are
 * (PostgreSQL manual, "Identifiers and Key Words"). The one quoting function of this connector.
 */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."name"`, of a table or a type. */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
