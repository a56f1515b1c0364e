import type { ColumnSchema, LogicalType, TableSchema } from '@millrace/contract/table.js';
import { expect, test } from 'vitest';
import { convertTable } from './convert-table.js';
import type { Engine, TargetServer } from './rule.js';

const SERVERS: Readonly<Record<Engine, TargetServer>> = {
  postgresql: { engine: 'postgresql', version: 150_000 },
  mysql: { engine: 'mysql', version: 8_000_015 },
  mariadb: { engine: 'mariadb', version: 10_011_019 },
};

function column(engine: Engine, declaration: string, type: LogicalType, more: Partial<ColumnSchema> = {}): ColumnSchema {
  const name = declaration.replace(/[( ].*$/s, '');
  return {
    name: 'c',
    ordinal: 1,
    type,
    native: { engine, schema: engine === 'postgresql' ? 'pg_catalog' : '', name, declaration },
    nullable: true,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: null,
    ...more,
  };
}

function table(columns: readonly ColumnSchema[], primaryKey: readonly string[] = []): TableSchema {
  return {
    id: { schema: 'shop', table: 'orders' },
    columns,
    primaryKey,
    primaryKeyName: primaryKey.length > 0 ? 'PRIMARY' : null,
    identityColumns: primaryKey,
    replicaIdentity: 'full',
    types: [],
    extensions: [],
  };
}

function declared(one: ColumnSchema, target: Engine, isKey = false): string | undefined {
  const { schema } = convertTable(table([one], isKey ? ['c'] : []), SERVERS[target]);
  return schema.columns[0]?.native.declaration;
}

const text = (maxLength: number | null): LogicalType => ({ kind: 'text', maxLength, padded: false });

test('a table of the target engine stays the very object it is', () => {
  const own = table([column('mariadb', 'int(11)', { kind: 'integer', bits: 32 })]);
  expect(convertTable(own, SERVERS.mariadb)).toEqual({ schema: own, notes: [] });
  expect(convertTable(own, SERVERS.mariadb).schema).toBe(own);
});

test.each<[string, LogicalType, string]>([
  ['tinyint(1)', { kind: 'integer', bits: 16 }, 'smallint'],
  ['smallint unsigned', { kind: 'integer', bits: 32 }, 'integer'],
  ['int(10) unsigned', { kind: 'integer', bits: 64 }, 'bigint'],
  ['bigint unsigned', { kind: 'decimal', precision: 20, scale: 0 }, 'numeric(20,0)'],
  ['decimal(65,30)', { kind: 'decimal', precision: 65, scale: 30 }, 'numeric(65,30)'],
  ['float', { kind: 'float', bits: 32 }, 'real'],
  ['varchar(20)', text(20), 'character varying(20)'],
  ['char(0)', text(0), 'character varying(1)'],
  ['mediumtext', text(16_777_215), 'text'],
  ['varbinary(9)', { kind: 'bytes', maxLength: 9 }, 'bytea'],
  ['datetime(3)', { kind: 'timestamp', precision: 3, withZone: false }, 'timestamp(3) without time zone'],
  ['timestamp', { kind: 'timestamp', precision: 0, withZone: true }, 'timestamp(0) with time zone'],
  ['time(6)', { kind: 'time', precision: 6, withZone: false }, 'time(6) without time zone'],
  ['bit(8)', { kind: 'other' }, 'bit(8)'],
  ["enum('a','b')", { kind: 'enum', labels: ['a', 'b'] }, '"shop"."orders_c"'],
  ["set('a','b')", { kind: 'other' }, 'text'],
  ['json', { kind: 'json' }, 'json'],
  ['longtext', { kind: 'json' }, 'json'],
])('MySQL to PostgreSQL: %s', (declaration, type, expected) => {
  expect(declared(column('mysql', declaration, type), 'postgresql')).toBe(expected);
});

test.each<[string, LogicalType, string, string]>([
  ['boolean', { kind: 'boolean' }, 'tinyint(1)', 'tinyint(1)'],
  ['bigint', { kind: 'integer', bits: 64 }, 'bigint', 'bigint'],
  ['numeric(10,2)', { kind: 'decimal', precision: 10, scale: 2 }, 'decimal(10,2)', 'decimal(10,2)'],
  ['numeric', { kind: 'decimal', precision: null, scale: null }, 'decimal(65,30)', 'decimal(65,30)'],
  ['numeric(3,-2)', { kind: 'decimal', precision: 3, scale: -2 }, 'decimal(65,30)', 'decimal(65,30)'],
  ['text', text(null), 'longtext', 'varchar(768)'],
  ['character varying(30)', text(30), 'varchar(30)', 'varchar(30)'],
  ['character(30)', { kind: 'text', maxLength: 30, padded: true }, 'char(30)', 'char(30)'],
  ['character(300)', { kind: 'text', maxLength: 300, padded: true }, 'varchar(300)', 'varchar(300)'],
  ['bytea', { kind: 'bytes', maxLength: null }, 'longblob', 'varbinary(3072)'],
  ['timestamp with time zone', { kind: 'timestamp', precision: 6, withZone: true }, 'datetime(6)', 'datetime(6)'],
  ['time with time zone', { kind: 'time', precision: 6, withZone: true }, 'longtext', 'varchar(768)'],
  ['uuid', { kind: 'uuid' }, 'char(36)', 'char(36)'],
  ['bit(70)', { kind: 'other' }, 'longtext', 'varchar(768)'],
  ['integer[]', { kind: 'array', element: { kind: 'integer', bits: 32 } }, 'longtext', 'varchar(768)'],
])('PostgreSQL to MySQL: %s, and as the key', (declaration, type, plain, key) => {
  expect(declared(column('postgresql', declaration, type), 'mysql')).toBe(plain);
  expect(declared(column('postgresql', declaration, type), 'mysql', true)).toBe(key);
});

test('text from PostgreSQL compares by its bytes in MySQL and MariaDB', () => {
  const collations = [SERVERS.mariadb, SERVERS.mysql, { engine: 'mysql', version: 8_000_017 } as const].map(
    (server) => convertTable(table([column('postgresql', 'text', text(null))]), server).schema.columns[0]?.collation,
  );
  expect(collations).toEqual(['utf8mb4_nopad_bin', 'utf8mb4_bin', 'utf8mb4_0900_bin']);
});

test("a collation of MySQL 8's becomes one that the MariaDB has", () => {
  const of = (collation: string, version: number): string | null | undefined =>
    convertTable(table([column('mysql', 'varchar(9)', text(9), { collation })]), { engine: 'mariadb', version }).schema.columns[0]
      ?.collation;
  expect(of('utf8mb4_0900_ai_ci', 10_005_000)).toBe('utf8mb4_unicode_520_nopad_ci');
  expect(of('utf8mb4_0900_as_cs', 10_011_000)).toBe('utf8mb4_uca1400_nopad_as_cs');
  expect(of('utf8mb4_0900_ai_ci', 11_004_005)).toBe('utf8mb4_0900_ai_ci');
  expect(of('latin1_swedish_ci', 10_005_000)).toBe('latin1_swedish_ci');
});

test.each<[Engine, string, LogicalType, string, Engine, string | null]>([
  ['mysql', 'varchar(9)', text(9), "'it''s'", 'postgresql', "'it''s'"],
  ['mysql', 'int', { kind: 'integer', bits: 32 }, "'7'", 'postgresql', '7'],
  [
    'mysql',
    'timestamp(3)',
    { kind: 'timestamp', precision: 3, withZone: true },
    'current_timestamp(3)',
    'postgresql',
    'CURRENT_TIMESTAMP(3)',
  ],
  ['mysql', 'varchar(36)', text(36), 'uuid()', 'postgresql', null],
  ['mysql', 'datetime', { kind: 'timestamp', precision: 0, withZone: false }, "'0000-00-00 00:00:00'", 'postgresql', null],
  ['postgresql', 'character varying(9)', text(9), "'a\\b'::character varying", 'mariadb', null],
  ['postgresql', 'character varying(9)', text(9), "'it''s'::character varying", 'mariadb', "'it''s'"],
  ['postgresql', 'boolean', { kind: 'boolean' }, 'true', 'mariadb', '1'],
  [
    'postgresql',
    'timestamp with time zone',
    { kind: 'timestamp', precision: 6, withZone: true },
    'now()',
    'mysql',
    'CURRENT_TIMESTAMP(6)',
  ],
  ['postgresql', 'text', text(null), "'x'::text", 'mysql', null],
])('a default of %s %s: %#', (engine, declaration, type, given, target, expected) => {
  const { schema, notes } = convertTable(table([column(engine, declaration, type, { default: given })]), SERVERS[target]);
  expect(schema.columns[0]?.default).toBe(expected);
  expect(notes.filter(({ kind }) => kind === 'default')).toHaveLength(expected === null ? 1 : 0);
});

test('a generated column is left out with a note, and an identity stays where the engine can have it', () => {
  const id = column('postgresql', 'bigint', { kind: 'integer', bits: 64 }, { name: 'id', identity: 'always' });
  const second = { ...id, name: 'second', ordinal: 2 };
  const sum = { ...id, name: 'sum', ordinal: 3, identity: 'none' as const, generated: 'id + second' };
  const { schema, notes } = convertTable(table([id, second, sum], ['id']), SERVERS.mysql);
  expect(schema.columns.map(({ name, identity }) => [name, identity])).toEqual([
    ['id', 'by-default'],
    ['second', 'none'],
  ]);
  expect(notes.map(({ column: name, kind }) => [name, kind])).toEqual([
    ['second', 'identity'],
    ['sum', 'generated'],
  ]);
});
