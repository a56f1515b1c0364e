import type { ColumnSchema, TableSchema, TypeDefinition } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import { MARIADB_TO_MYSQL, MYSQL_TO_MARIADB } from './between-mysql-and-mariadb.js';
import { convertDefault } from './default-expression.js';
import { MYSQL_TO_POSTGRESQL } from './mysql-to-postgresql.js';
import { POSTGRESQL_TO_MYSQL } from './postgresql-to-mysql.js';
import type { ColumnPlace, Engine, TargetServer, TargetType, TypeRule, TypeTable } from './rule.js';

/** What somebody should know of a column before its first row moves. */
export interface ConversionNote {
  readonly column: string;
  /** `default`: left out; `generated`: the column is left out; `identity`: no numbers are given by the target; `values`: some are refused. */
  readonly kind: 'default' | 'generated' | 'identity' | 'values';
  readonly text: string;
}

export interface ConvertedTable {
  /**
   * The table as the target's DDL makes it: same names, ordinals and logical types (the rows' bytes stay what they are), the target's
   * own declarations. A generated column is not in it: its expression is of another dialect.
   */
  readonly schema: TableSchema;
  readonly notes: readonly ConversionNote[];
}

/** All tables of types that there are: one for each pair of engines that differ. */
export const TYPE_TABLES: readonly TypeTable[] = [
  { source: 'mysql', target: 'postgresql', rules: MYSQL_TO_POSTGRESQL },
  { source: 'mariadb', target: 'postgresql', rules: MYSQL_TO_POSTGRESQL },
  { source: 'postgresql', target: 'mysql', rules: POSTGRESQL_TO_MYSQL },
  { source: 'postgresql', target: 'mariadb', rules: POSTGRESQL_TO_MYSQL },
  { source: 'mysql', target: 'mariadb', rules: MYSQL_TO_MARIADB },
  { source: 'mariadb', target: 'mysql', rules: MARIADB_TO_MYSQL },
];

/** A name of a type that PostgreSQL can keep: 63 bytes (NAMEDATALEN - 1). */
const NAME_BYTES = 63;

/** The table in the target engine's words; the very same object where every column is the target's own already. */
export function convertTable(schema: TableSchema, target: TargetServer): ConvertedTable {
  if (schema.columns.every(({ native }) => native.engine === target.engine)) return { schema, notes: [] };
  const columns: ColumnSchema[] = [];
  const types: TypeDefinition[] = target.engine === 'postgresql' ? [...schema.types] : [];
  const notes: ConversionNote[] = [];
  for (const column of schema.columns) {
    if (column.native.engine === target.engine) {
      columns.push(column);
      continue;
    }
    if (column.generated !== null) {
      const text = `It is left out: its expression (${column.generated}) is not translated, and the source's log does not bring its values.`;
      notes.push({ column: column.name, kind: 'generated', text });
      continue;
    }
    const converted = convertColumn(schema, column, target);
    columns.push(converted.column);
    types.push(...converted.types);
    notes.push(...converted.notes);
  }
  const converted = {
    ...schema,
    columns,
    types,
    // MySQL calls every primary key PRIMARY; in PostgreSQL the name would be one relation's alone.
    primaryKeyName: null,
    extensions: target.engine === 'postgresql' ? schema.extensions : [],
  };
  return { schema: converted, notes };
}

interface ConvertedColumn {
  readonly column: ColumnSchema;
  readonly types: readonly TypeDefinition[];
  readonly notes: readonly ConversionNote[];
}

function convertColumn(schema: TableSchema, column: ColumnSchema, target: TargetServer): ConvertedColumn {
  const place: ColumnPlace = { column, isKey: schema.primaryKey.includes(column.name), target };
  const rule = ruleFor(place);
  const ruled = rule.to(place);
  const isEnum = target.engine === 'postgresql' && column.type.kind === 'enum';
  const definition = isEnum ? enumType(schema, column, column.type.labels) : null;
  const type: TargetType =
    definition === null ? ruled : { ...ruled, name: definition.name, declaration: declarationOf(definition) };
  const notes: ConversionNote[] = [];
  if (rule.fidelity === 'refuses')
    notes.push({
      column: column.name,
      kind: 'values',
      text: `${column.native.declaration} becomes ${type.declaration}. ${rule.note}`,
    });
  const byDefault = convertDefault(column, type, target.engine);
  if (byDefault.kind === 'untranslated')
    notes.push({
      column: column.name,
      kind: 'default',
      text: `Its default (${byDefault.expression}) is left out: it is not translated.`,
    });
  const identity = identityOf(schema, column, target.engine);
  if (identity === 'none' && column.identity !== 'none')
    notes.push({
      column: column.name,
      kind: 'identity',
      text: 'It gives no numbers there: AUTO_INCREMENT needs a column that leads the key.',
    });
  return {
    column: {
      ...column,
      native: {
        engine: target.engine,
        schema: target.engine === 'postgresql' ? (definition?.schema ?? 'pg_catalog') : '',
        name: type.name,
        declaration: type.declaration,
      },
      identity,
      default: byDefault.kind === 'default' ? byDefault.expression : null,
      collation: target.engine === 'postgresql' ? null : type.collation,
    },
    types: definition === null ? [] : [definition],
    notes,
  };
}

function ruleFor(place: ColumnPlace): TypeRule {
  const { native, type } = place.column;
  const table = TYPE_TABLES.find(({ source, target }) => source === native.engine && target === place.target.engine);
  const rule = table?.rules.find(
    ({ names, kinds, when }) =>
      (names === undefined || names.includes(native.name)) &&
      (kinds === undefined || kinds.includes(type.kind)) &&
      (when === undefined || when(place)),
  );
  invariant(
    rule !== undefined,
    `${native.engine}'s type ${native.declaration} has a line in the table for ${place.target.engine}`,
  );
  return rule;
}

/** PostgreSQL: by default, so that the source's values come in. MySQL has one such column a table, which leads the key. */
function identityOf(schema: TableSchema, column: ColumnSchema, target: Engine): ColumnSchema['identity'] {
  if (column.identity === 'none') return 'none';
  if (target === 'postgresql') return column.type.kind === 'integer' ? 'by-default' : 'none';
  return schema.primaryKey[0] === column.name && column.type.kind === 'integer' ? 'by-default' : 'none';
}

function enumType({ id }: TableSchema, column: ColumnSchema, labels: readonly string[]): TypeDefinition {
  const definition = { schema: id.schema, name: cut(`${id.table}_${column.name}`) };
  return {
    ...definition,
    kind: 'enum',
    create: `CREATE TYPE ${declarationOf(definition)} AS ENUM (${labels.map((label) => `'${label.replaceAll("'", "''")}'`).join(', ')})`,
    labels,
  };
}

/** As format_type prints it, but always in quotes: right whatever the name is. */
function declarationOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return [schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}

function cut(name: string): string {
  let kept = name;
  while (new TextEncoder().encode(kept).length > NAME_BYTES) kept = [...kept].slice(0, -1).join('');
  return kept;
}
