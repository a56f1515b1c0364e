import type { ColumnSchema, LogicalType, TableSchema } from '@millrace/contract/table.js';
import { createDatabase, withClient } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { alterTable } from './alter.js';
import { assessTarget } from './assess.js';
import { finishTable } from './finish-load.js';
import { prepareTable } from './prepare.js';
import { inTransaction } from './transaction.js';

type Column = readonly [name: string, declaration: string, type: LogicalType, more?: Partial<ColumnSchema>];

function mysqlTable(columns: readonly Column[]): TableSchema {
  return {
    id: { schema: 'shop', table: 'orders' },
    columns: columns.map(([name, declaration, type, more], index) => ({
      name,
      ordinal: index + 1,
      type,
      native: { engine: 'mysql', schema: '', name: declaration.replace(/[( ].*$/s, ''), declaration },
      nullable: true,
      generated: null,
      identity: 'none',
      default: null,
      missingValue: null,
      collation: null,
      ...more,
    })),
    primaryKey: ['id'],
    primaryKeyName: 'PRIMARY',
    identityColumns: ['id'],
    replicaIdentity: 'full',
    types: [],
    extensions: [],
  };
}

const ID: Column = ['id', 'bigint', { kind: 'integer', bits: 64 }, { identity: 'by-default', nullable: false }];
const mood = (...labels: string[]): Column => [
  'mood',
  `enum(${labels.map((label) => `'${label}'`).join(',')})`,
  { kind: 'enum', labels },
  { default: "'sad'" },
];

test("a MySQL table is made with PostgreSQL's types, and nothing of it is found wanting afterwards", async () => {
  await using database = await createDatabase();
  const schema = mysqlTable([
    ID,
    mood('sad', 'ok'),
    ['flag', 'tinyint(1)', { kind: 'integer', bits: 16 }, { default: "'1'" }],
    ['big', 'bigint unsigned', { kind: 'decimal', precision: 20, scale: 0 }],
    ['at', 'timestamp(3)', { kind: 'timestamp', precision: 3, withZone: true }, { default: 'current_timestamp(3)' }],
    ['raw', 'varbinary(9)', { kind: 'bytes', maxLength: 9 }],
    ['bits', 'bit(10)', { kind: 'other' }],
    ['who', 'varchar(36)', { kind: 'text', maxLength: 36, padded: false }, { default: 'uuid()', collation: 'latin1_swedish_ci' }],
    ['sum', 'int', { kind: 'integer', bits: 32 }, { generated: '`flag` + 1' }],
  ]);
  await withClient(database.url, async (client) => {
    const before = await assessTarget(client, [schema], 'DO_NOTHING');
    expect(before.map(({ severity, code, where }) => `${severity} ${code} ${where}`).sort()).toEqual([
      'info TARGET_COLUMN_CONVERTED shop.orders.at',
      'info TARGET_COLUMN_CONVERTED shop.orders.mood',
      'info TARGET_COLUMN_CONVERTED shop.orders.who',
      'info TARGET_COLUMN_CONVERTED shop.orders.who',
      'warning TARGET_COLUMN_CONVERTED shop.orders.sum',
    ]);
    await inTransaction(client, () => prepareTable(client, schema, 'DO_NOTHING'));
    await inTransaction(client, () => finishTable(client, schema));
    const { rows } = await client.query(
      `SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || coalesce(' = ' || pg_get_expr(d.adbin, d.adrelid), '') AS column
       FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
       WHERE a.attrelid = 'shop.orders'::regclass AND a.attnum > 0 ORDER BY a.attnum`,
    );
    expect(rows.map(({ column }) => column)).toEqual([
      'id bigint',
      "mood shop.orders_mood = 'sad'::shop.orders_mood",
      'flag smallint = 1',
      'big numeric(20,0)',
      'at timestamp(3) with time zone = CURRENT_TIMESTAMP(3)',
      'raw bytea',
      'bits bit(10)',
      'who character varying(36)',
    ]);
    const after = await assessTarget(client, [schema], 'DO_NOTHING');
    expect(after.filter(({ code }) => code !== 'TARGET_COLUMN_CONVERTED')).toEqual([]);
  });
});

test('a new label, a new column and a wider type of a MySQL table reach the PostgreSQL one', async () => {
  await using database = await createDatabase();
  const first = mysqlTable([ID, mood('sad', 'ok'), ['n', 'int', { kind: 'integer', bits: 32 }]]);
  const second = mysqlTable([
    ID,
    mood('sad', 'ok', 'happy'),
    ['n', 'bigint', { kind: 'integer', bits: 64 }],
    ['note', 'text', { kind: 'text', maxLength: 65_535, padded: false }],
  ]);
  await withClient(database.url, async (client) => {
    await inTransaction(client, async () => {
      await prepareTable(client, first, 'DO_NOTHING');
      await finishTable(client, first);
    });
    await inTransaction(client, () => alterTable(client, first, second));
    await client.query("INSERT INTO shop.orders VALUES (1, 'happy', 9223372036854775807, 'x')");
    const { rows } = await client.query('SELECT mood, n, note FROM shop.orders');
    expect(rows).toEqual([{ mood: 'happy', n: '9223372036854775807', note: 'x' }]);
  });
});
