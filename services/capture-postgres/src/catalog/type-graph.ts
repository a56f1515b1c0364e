import type { LogicalType, TypeDefinition } from '@millrace/contract/table.js';
import { quoteIdentifier, quoteLiteral } from '@millrace/postgres/quote-identifier.js';
import type { TypeRow } from './catalog-queries.js';
import { systemType } from './type-map.js';

/** PostgreSQL's limit on a name, in bytes (NAMEDATALEN - 1). */
const NAME_BYTES = 63;

/** The types of a set of columns with everything they are made of: their meaning, and how to create those that a target lacks. */
export class TypeGraph {
  readonly #types: ReadonlyMap<number, TypeRow>;

  constructor(types: readonly TypeRow[]) {
    this.#types = new Map(types.map((type) => [type.oid, type]));
  }

  get(oid: number): TypeRow | undefined {
    return this.#types.get(oid);
  }

  /** What a value of the type means; a domain means what its base type means. */
  logicalType(oid: number, modifier: number): LogicalType {
    const type = this.#types.get(oid);
    if (type === undefined) return { kind: 'other' };
    if (type.kind === 'd') return this.logicalType(type.base, type.base_modifier);
    if (type.element !== 0) return { kind: 'array', element: this.logicalType(type.element, modifier) };
    if (type.kind === 'e') return { kind: 'enum', labels: type.labels ?? [] };
    return type.schema === 'pg_catalog' ? systemType(type.name, modifier) : { kind: 'other' };
  }

  /**
   * The user-defined types behind the given ones, each after those that it is made of, and the extensions that the others come from.
   * A table's row type and a base type written in C have no definition here: they come with their table or library.
   */
  definitions(oids: Iterable<number>): { readonly types: readonly TypeDefinition[]; readonly extensions: readonly string[] } {
    const types: TypeDefinition[] = [];
    const extensions = new Set<string>();
    const visited = new Set<number>();
    const visit = (oid: number): void => {
      const type = this.#types.get(oid);
      if (type === undefined || visited.has(oid)) return;
      visited.add(oid);
      if (type.extension !== null) {
        extensions.add(type.extension);
        return;
      }
      for (const part of partsOf(type)) visit(part);
      const definition = define(type);
      if (definition !== null) types.push(definition);
    };
    for (const oid of oids) visit(oid);
    return { types, extensions: [...extensions].sort() };
  }
}

function partsOf(type: TypeRow): readonly number[] {
  if (type.element !== 0) return [type.element];
  if (type.kind === 'd') return [type.base];
  if (type.kind === 'r') return [type.range?.subtype ?? 0];
  if (type.kind === 'm') return [type.range?.of ?? 0];
  return type.kind === 'c' && !type.row_type ? (type.attributes ?? []).map((attribute) => attribute.type) : [];
}

function define(type: TypeRow): TypeDefinition | null {
  if (type.schema === 'pg_catalog' || type.schema === 'information_schema' || type.element !== 0 || type.row_type) return null;
  const name = `${quoteIdentifier(type.schema)}.${quoteIdentifier(type.name)}`;
  const definition = { schema: type.schema, name: type.name, labels: type.labels ?? [] };
  switch (type.kind) {
    case 'e':
      return {
        ...definition,
        kind: 'enum',
        create: `CREATE TYPE ${name} AS ENUM (${(type.labels ?? []).map(quoteLiteral).join(', ')})`,
      };
    case 'd':
      return { ...definition, kind: 'domain', create: createDomain(type, name) };
    case 'c':
      return {
        ...definition,
        kind: 'composite',
        create: `CREATE TYPE ${name} AS (${(type.attributes ?? []).map(attributeClause).join(', ')})`,
      };
    case 'r':
      return { ...definition, kind: 'range', create: createRange(type, name) };
    case 'b':
    case 'm':
    case 'p':
      return null;
  }
}

function createDomain(type: TypeRow, name: string): string {
  const clauses = [`CREATE DOMAIN ${name} AS ${type.base_declaration ?? ''}`];
  if (type.collation !== null) clauses.push(`COLLATE ${type.collation}`);
  if (type.default !== null) clauses.push(`DEFAULT ${type.default}`);
  for (const check of type.checks ?? []) {
    // CREATE DOMAIN takes no NOT VALID: for values yet to come the check means the same without it.
    clauses.push(`CONSTRAINT ${quoteIdentifier(check.name)} ${check.definition.replace(/ NOT VALID$/, '')}`);
  }
  if (type.not_null) clauses.push('NOT NULL');
  return clauses.join(' ');
}

function attributeClause(attribute: {
  readonly name: string;
  readonly declaration: string;
  readonly collation: string | null;
}): string {
  const collate = attribute.collation === null ? '' : ` COLLATE ${attribute.collation}`;
  return `${quoteIdentifier(attribute.name)} ${attribute.declaration}${collate}`;
}

/**
 * Without the canonical function and without a difference function of the user's: the values that come are canonical already, and
 * the difference only guides GiST.
 */
function createRange(type: TypeRow, name: string): string {
  const range = type.range;
  const options = [`SUBTYPE = ${range?.declaration ?? ''}`];
  if (range?.opclass) options.push(`SUBTYPE_OPCLASS = ${range.opclass}`);
  if (range?.collation) options.push(`COLLATION = ${range.collation}`);
  if (range?.difference) options.push(`SUBTYPE_DIFF = ${range.difference}`);
  // Named only where it must be, so that a target older than multiranges (PostgreSQL 13) can create the range.
  if (range?.multirange && range.multirange !== defaultMultirangeName(type.name)) {
    options.push(`MULTIRANGE_TYPE_NAME = ${quoteIdentifier(type.schema)}.${quoteIdentifier(range.multirange)}`);
  }
  return `CREATE TYPE ${name} AS RANGE (${options.join(', ')})`;
}

/** pg_type.c, makeMultirangeTypeName. */
function defaultMultirangeName(range: string): string {
  const name = range.includes('range')
    ? range.replace('range', 'multirange')
    : `${cut(range, NAME_BYTES - '_multirange'.length)}_multirange`;
  return cut(name, NAME_BYTES);
}

function cut(text: string, bytes: number): string {
  let kept = text;
  while (Buffer.byteLength(kept) > bytes) kept = kept.slice(0, -1);
  return kept;
}
