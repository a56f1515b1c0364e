import type { ReadRequest, TextRow } from '@millrace/contract/reader.js';
import { openPostgresReader } from '@millrace/postgres/table-reader.js';
import { createDatabase, createMysqlDatabase, withClient, withConnection } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { openMysqlReader } from './table-reader.js';

async function collect(rows: AsyncIterable<readonly TextRow[]>): Promise<readonly TextRow[]> {
  const found: TextRow[] = [];
  for await (const batch of rows) found.push(...batch);
  return found;
}

describe.each(['mysql', 'mariadb'] as const)('%s', (engine) => {
  async function read(setup: readonly string[], request: Partial<ReadRequest> & { readonly columns: readonly string[] }) {
    await using database = await createMysqlDatabase(engine);
    await withConnection(database.url, async (connection) => {
      for (const statement of setup) await connection.query(statement);
    });
    await using reader = openMysqlReader(database.url, 'source');
    const whole = { form: 'own' as const, orderBy: [], filter: null, ...request, table: { schema: database.name, table: 't' } };
    return await collect(reader.rows(whole, AbortSignal.timeout(30_000)));
  }

  test('values come exactly: all digits of a float, bits as digits, bytes as hexadecimal, text in UTF-8', async () => {
    const setup = [
      'CREATE TABLE t (id int PRIMARY KEY, f float, b bit(10), v varbinary(9), l varchar(9) CHARACTER SET latin1, d decimal(5,2), s datetime(3))',
      "INSERT INTO t VALUES (1, 16777217, b'101', 0x00FF, 'é', 1.50, '2024-02-03 04:05:06.700'), (2, NULL, NULL, NULL, NULL, NULL, NULL)",
    ];
    const columns = ['id', 'f', 'b', 'v', 'l', 'd', 's'];
    const orderBy = [{ name: 'id', order: 'integer' as const }];
    expect(await read(setup, { columns, orderBy })).toEqual([
      ['1', '16777216', '0000000101', '00ff', 'é', '1.50', '2024-02-03 04:05:06.700'],
      ['2', null, null, null, null, null, null],
    ]);
    const [common] = await read(setup, { columns, orderBy, form: 'common' });
    expect(common).toEqual(['1', '16777216', '0000000101', '00ff', 'é', '1.5', '2024-02-03 04:05:06.7']);
  });

  test('keys are ordered by their bytes, whatever the collation, and a large value comes as its digest', async () => {
    const setup = [
      'CREATE TABLE t (k varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v longtext)',
      "INSERT INTO t VALUES ('b', 'x'), ('A', REPEAT('v', 1000000)), ('ö', NULL), ('C', REPEAT('v', 2048))",
    ];
    const rows = await read(setup, { columns: ['k', 'v'], orderBy: [{ name: 'k', order: 'bytes' }] });
    expect(rows.map(([key]) => key)).toEqual(['A', 'C', 'b', 'ö']);
    expect(rows[0]?.[1]).toMatch(/^1000000 bytes, SHA-256 [0-9a-f]{64}$/);
    expect(rows[1]?.[1]).toHaveLength(2_048);
  });

  test('a filter compares text by its bytes', async () => {
    const setup = ['CREATE TABLE t (k varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY)', "INSERT INTO t VALUES ('a'), ('b')"];
    const filter = { kind: 'compare', column: 'k', operator: 'eq', value: 'A' } as const;
    expect(await read(setup, { columns: ['k'], filter })).toEqual([]);
    expect(await read(setup, { columns: ['k'], filter: { ...filter, value: 'b' } })).toEqual([['b']]);
  });

  test('PostgreSQL prints the same in the common form', async () => {
    const columns = ['id', 'yes', 'f', 'd', 'b', 's', 'z', 't'];
    const order = { orderBy: [{ name: 'id', order: 'integer' as const }], filter: null, form: 'common' as const, columns };
    const ours = await read(
      [
        'CREATE TABLE t (id int PRIMARY KEY, yes tinyint(1), f double, d decimal(10,3), b varbinary(9), s datetime(6), z datetime(6), t time(3))',
        "INSERT INTO t VALUES (1, 1, 1e20, 100, 0xAB, '2024-02-03 04:05:06.5', '2024-02-03 03:00:00', '01:02:03.25'), (2, 0, 0.1, -0.5, '', '2024-02-03', '2024-02-03', '00:00:00')",
      ],
      order,
    );
    await using database = await createDatabase();
    await withClient(database.url, (client) =>
      client.query(`CREATE TABLE t (id int PRIMARY KEY, yes boolean, f float8, d numeric(10,3), b bytea, s timestamp, z timestamptz, t time);
        INSERT INTO t VALUES (1, true, 1e20, 100, '\\xab', '2024-02-03 04:05:06.5', '2024-02-03 04:00:00+01', '01:02:03.25'), (2, false, 0.1, -0.5, '', '2024-02-03', '2024-02-03 00:00:00+00', '00:00:00')`),
    );
    await using reader = openPostgresReader(database.url, 'target');
    expect(
      await collect(reader.rows({ ...order, table: { schema: 'public', table: 't' } }, AbortSignal.timeout(30_000))),
    ).toEqual(ours);
    expect(ours[0]).toEqual([
      '1',
      '1',
      '100000000000000000000',
      '100',
      'ab',
      '2024-02-03 04:05:06.5',
      '2024-02-03 03:00:00',
      '01:02:03.25',
    ]);
  });
});
