import type { Row } from '@millrace/contract/row.js';
import { scratchFolder, startMysql } from '@millrace/testkit/servers.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunkOf, ENGINES, LOG_ALL, SinkFixture } from './testing/sink-fixture.js';
import { column } from './testing/table-schemas.js';

const id = column('id', 'int', { nullable: false });
const never = new AbortController().signal;

function manyRows(count: number): Row[] {
  return Array.from({ length: count }, (_value, index): Row => [index, `row ${index}`, '2024-01-01']);
}

describe.each(ENGINES)('loads into %s', (engine) => {
  test('rows that the target would bend, skip or refuse are found and set aside; all others go in', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, column('note', 'varchar(40)'), column('day', 'date')], ['id']);
    await fixture.run(
      'CREATE TABLE t (id int PRIMARY KEY, note varchar(40), day date, UNIQUE KEY (note)) ENGINE=InnoDB CHARACTER SET utf8mb4',
    );
    const rows = manyRows(1_500);
    rows[7] = [7, 'row 7', '2024-02-31'];
    rows[700] = [700, 'x'.repeat(41), '2024-01-01'];
    rows[701] = [701, 'row 3', '2024-01-01'];
    rows[1_499] = [0, 'the key of another row', '2024-01-01'];
    expect(await fixture.load(version, rows)).toBe(true);
    expect(
      await fixture.rows('SELECT CAST(COUNT(*) AS CHAR), CAST(COUNT(note) AS CHAR), CAST(SUM(LENGTH(note) > 8) AS CHAR) FROM t'),
    ).toEqual([['1496', '1496', '0']]);
    expect((await fixture.sink.deadLetters(10)).map(({ ordinal, kind, code }) => [ordinal, kind, code])).toEqual([
      [7, 'load', 'LOAD_ROW_REFUSED'],
      [700, 'load', 'LOAD_ROW_REFUSED'],
      [701, 'load', 'LOAD_ROW_REFUSED'],
      [1_499, 'load', 'LOAD_ROW_REFUSED'],
    ]);
    const [state] = (await fixture.sink.inspect()).tables;
    expect(state).toMatchObject({ state: 'full load', counts: { rowsLoaded: 1_496n, errors: 4n } });
  });

  test('a policy that stops leaves nothing of the chunk', async () => {
    await using fixture = await SinkFixture.open(engine, { ...LOG_ALL, data: 'STOP_TASK' });
    const version = fixture.table('t', [id, column('note', 'varchar(3)'), column('day', 'date')], ['id']);
    await expect(fixture.load(version, manyRows(2))).rejects.toMatchObject({ code: 'LOAD_STOPPED' });
    expect(await fixture.rows('SELECT * FROM t')).toEqual([]);
  });

  test('chunks of one table go in side by side', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table(
      't',
      [{ ...id, identity: 'by-default' }, column('note', 'varchar(40)'), column('day', 'date')],
      ['id'],
    );
    await fixture.load(version, manyRows(10));
    const chunks = [1, 2, 3, 4, 5].map((index) => ({
      ...chunkOf(
        version,
        manyRows(200).map(([key, ...rest]): Row => [Number(key) + index * 1_000, ...rest]),
      ),
      index,
    }));
    expect(await Promise.all(chunks.map((chunk) => fixture.sink.load(chunk, never)))).toEqual([true, true, true, true, true]);
    expect(await fixture.sink.finishLoad(version, '1.1', 6)).toMatchObject({ chunksApplied: { length: 6 } });
    expect((await fixture.sink.inspect()).tables[0]).toMatchObject({ state: 'completed', counts: { rowsLoaded: 1_010n } });
    // The counter has followed the rows.
    await fixture.run("INSERT INTO t (note) VALUES ('own')");
    expect(await fixture.rows("SELECT id FROM t WHERE note = 'own'")).toEqual([[5_200]]);
  });

  test('a later attempt begins with an empty table; one that held rows of its own is refused', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, column('note', 'varchar(40)'), column('day', 'date')], ['id']);
    await fixture.load(version, manyRows(5));
    expect(await fixture.sink.prepare(version, '1.1', { preparation: 'DO_NOTHING', firstAttempt: 1 })).toEqual([0]);
    expect(await fixture.sink.prepare(version, '1.1', { preparation: 'DO_NOTHING', firstAttempt: 2 })).toEqual([]);
    expect(await fixture.rows('SELECT * FROM t')).toEqual([]);
    // A chunk of the attempt before does not count any more.
    expect(await fixture.sink.load(chunkOf(version, manyRows(5)), never)).toBe(false);
    expect(await fixture.sink.load({ ...chunkOf(version, manyRows(5)), attempt: 2 }, never)).toBe(true);

    await fixture.run('CREATE TABLE other (id int PRIMARY KEY) ENGINE=InnoDB', 'INSERT INTO other VALUES (1)');
    const other = fixture.table('other', [id], ['id']);
    await fixture.load(other, [[2]]);
    await expect(fixture.sink.prepare(other, '1.1', { preparation: 'DO_NOTHING', firstAttempt: 2 })).rejects.toMatchObject({
      code: 'LOAD_RESTART_NOT_EMPTY',
    });
    expect(await fixture.rows('SELECT id FROM other ORDER BY id')).toEqual([[1], [2]]);
  });

  test('a load anew follows the new version; a table that others refer to is not dropped', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, column('note', 'varchar(40)'), column('day', 'date')], ['id']);
    await fixture.load(version, manyRows(5));
    await fixture.sink.finishLoad(version, '1.1', 1);
    const wider = fixture.table('t', [id, column('note', 'varchar(400)'), column('day', 'date')], ['id']);
    await fixture.load(wider, [[1, 'n'.repeat(400), null]], '2.1');
    expect(await fixture.rows('SELECT id, CAST(LENGTH(note) AS CHAR) FROM t')).toEqual([[1, '400']]);

    await fixture.run(
      'CREATE TABLE p (id int PRIMARY KEY) ENGINE=InnoDB',
      'CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id)) ENGINE=InnoDB',
    );
    const parent = fixture.table('p', [id], ['id']);
    await fixture.applyBlocks([fixture.script.schema(parent, { kind: 'load', load: '3.1', reason: 'a test' })]);
    await expect(fixture.sink.prepare(parent, '3.1', { preparation: 'DROP_AND_CREATE', firstAttempt: 1 })).rejects.toMatchObject({
      code: 'TARGET_TABLE_IN_USE',
    });
  });
});

describe('a server that takes no LOAD DATA LOCAL, and short packets only', () => {
  let server: Awaited<ReturnType<typeof startMysql>> | undefined;
  beforeAll(async () => {
    const settings = { 'local-infile': 'OFF', 'max-allowed-packet': '65536', 'innodb-flush-log-at-trx-commit': '0' };
    server = await startMysql({ engine: 'mariadb', dir: await scratchFolder(), settings });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test('rows go in by INSERT, changes in short statements; a row longer than a packet stops with nothing of its transaction written', async () => {
    await using fixture = await SinkFixture.open('mariadb', LOG_ALL, server?.url);
    const version = fixture.table('t', [id, column('note', 'longtext')], ['id']);
    const rows = Array.from({ length: 300 }, (_value, index): Row => [index, 'é'.repeat(index * 20)]);
    await fixture.load(version, rows);
    const more = rows.map(([key, value]): Row => [Number(key) + 1_000, value ?? null]);
    expect(await fixture.apply(more.map((after) => ({ kind: 'insert' as const, table: version, after })))).toMatchObject({
      errors: 0,
    });
    const long: Row = [5_000, 'x'.repeat(100_000)];
    const refused = { code: 'TARGET_ROW_BEYOND_PACKET' };
    await expect(fixture.sink.load({ ...chunkOf(version, [[4_000, 'x'], long]), index: 1 }, never)).rejects.toMatchObject(
      refused,
    );
    const rest: Row[] = [[6_000, 'x'], long];
    const changes = rest.map((after) => ({ kind: 'insert' as const, table: version, after }));
    await expect(fixture.apply(changes)).rejects.toMatchObject(refused);
    expect(await fixture.rows('SELECT CAST(COUNT(*) AS CHAR) FROM t')).toEqual([['600']]);
    const findings = await fixture.sink.assess([version.schema], 'DO_NOTHING');
    expect(findings.map(({ code }) => code)).toEqual(['TARGET_PACKET_SMALL', 'TARGET_LOCAL_INFILE_OFF']);
  });
});
