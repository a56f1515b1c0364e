import { ChunkRowsCursor } from '@millrace/codec/chunk-rows.js';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { ChunkSpec, Snapshot, SnapshotTable } from '@millrace/contract/load.js';
import type { Row } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { parseConnectionUrl } from '@millrace/mysql/connection-url.js';
import { uniqueWord, withConnection } from '@millrace/testkit/servers.js';
import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { ChangedTables } from './changed-tables.js';
import { readServer } from './server-log.js';
import { openSnapshot } from './snapshot.js';
import { CaptureHarness, ENGINES } from './testing/capture-harness.js';

const { signal } = new AbortController();

function tableOf(schema: TableSchema): SnapshotTable {
  return { schema, filter: null, encoding: 'rows' };
}

async function chunksOf(snapshot: Snapshot, schema: TableSchema): Promise<ChunkSpec[]> {
  const all: ChunkSpec[] = [];
  for await (const chunk of snapshot.chunks(tableOf(schema), null, signal)) all.push(chunk);
  return all;
}

async function rowsOf(snapshot: Snapshot, schema: TableSchema): Promise<Row[]> {
  const version = newTableVersion(schema, 1);
  const rows: Row[] = [];
  for (const chunk of await chunksOf(snapshot, schema)) {
    for await (const part of snapshot.read(tableOf(schema), version, chunk, signal)) {
      const cursor = new ChunkRowsCursor(part, version);
      while (cursor.next()) rows.push(decodeRow(version, part.bytes, cursor.start, cursor.end));
    }
  }
  return rows;
}

function schemaOf(capture: CaptureHarness, table: string): TableSchema {
  const found = capture.journal.schemas.find(({ schema }) => schema.id.table === table);
  if (found === undefined) throw new Error(`no version of ${table}`);
  return found.schema;
}

describe.each(ENGINES)('a snapshot of %s', (engine) => {
  test('#12 shows all tables at one place of a log that is written to meanwhile, and the stream goes on from exactly there', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query(`CREATE TABLE a (id int PRIMARY KEY, amount int); CREATE TABLE b (id int PRIMARY KEY, amount int);
      INSERT INTO a VALUES (1, 1000), (2, 1000); INSERT INTO b VALUES (1, 1000), (2, 1000)`);
    const writing = new AbortController();
    const writer = withConnection(capture.database.url, async (sql) => {
      for (let count = 0; !writing.signal.aborted; count++) {
        await sql.query('BEGIN');
        await sql.query('UPDATE a SET amount = amount - 1 WHERE id = ?', [1 + (count % 2)]);
        await sql.query('UPDATE b SET amount = amount + 1 WHERE id = ?', [1 + (count % 2)]);
        await sql.query('COMMIT');
      }
    });
    const amounts = new Map<string, number>();
    await capture.first(async (snapshot) => {
      for (const table of ['a', 'b'])
        for (const [id, amount] of await rowsOf(snapshot, schemaOf(capture, table)))
          amounts.set(`${table}${String(id)}`, Number(amount));
      expect([...amounts.values()].reduce((sum, amount) => sum + amount, 0)).toBe(4_000);
    });
    writing.abort();
    await writer;
    await capture.caughtUp();
    for (const change of capture.journal.changes) {
      if (change.kind !== 'update') throw new Error(`a ${change.kind}`);
      const key = `${change.table.endsWith('.a') ? 'a' : 'b'}${String(change.after['id'])}`;
      // A change that the snapshot held already, or one that is missing, shows here.
      expect(change.before?.['amount']).toBe(amounts.get(key));
      amounts.set(key, Number(change.after['amount']));
    }
    const [left] = await capture.sql.query<RowDataPacket[]>('SELECT amount FROM a UNION ALL SELECT amount FROM b');
    expect([...amounts.values()]).toEqual(left.map((row) => Number(row['amount'])));
  });

  test('is cut by an integer key, negative, unsigned and doubled ones included, and whole without one', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query(`CREATE TABLE one (id int unsigned PRIMARY KEY); CREATE TABLE two (a smallint, b int, PRIMARY KEY (a, b));
      CREATE TABLE text_key (k varchar(20) PRIMARY KEY); CREATE TABLE keyless (n int); CREATE TABLE none (id int PRIMARY KEY)`);
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    await capture.sql.query('INSERT INTO one VALUES ?', [numbers.map((n) => [n * 40_000_000])]);
    await capture.sql.query('INSERT INTO two VALUES ?', [numbers.map((n) => [Math.floor(n / 30) - 2, n])]);
    await capture.sql.query('INSERT INTO text_key VALUES ?', [numbers.map((n) => [`k${n}`])]);
    await capture.sql.query('INSERT INTO keyless VALUES ?', [numbers.map(() => [7])]);
    await capture.first();
    const server = await withConnection(capture.database.url, readServer);
    const attachment = {
      identity: capture.identity,
      server,
      source: server.identity,
      failovers: 0,
      changed: new ChangedTables(),
    };
    const connection = parseConnectionUrl(capture.database.url, 'source');
    await using snapshot = await openSnapshot({ connection, attachment, tables: [], signal, chunkRows: 20 });
    for (const [table, rows, chunks] of [
      ['one', 100, 5],
      ['two', 100, 5],
      ['text_key', 100, 1],
      ['keyless', 100, 1],
      ['none', 0, 1],
    ] as const) {
      const schema = schemaOf(capture, table);
      expect({ table, rows: (await rowsOf(snapshot, schema)).length }).toEqual({ table, rows });
      const all = await chunksOf(snapshot, schema);
      expect({ table, chunks: all.length }).toEqual({ table, chunks });
      const distinct = new Set((await rowsOf(snapshot, schema)).map((row) => row.join()));
      if (table !== 'keyless') expect(distinct.size).toBe(rows);
    }
  });

  test('#13 a table that was truncated, altered or dropped since is TABLE_REWRITTEN, never empty; its own DDL does not wait for the load', async () => {
    await using capture = await CaptureHarness.open(engine);
    const tables = ['truncated', 'altered', 'dropped', 'kept'];
    for (const table of tables)
      await capture.sql.query(`CREATE TABLE ${table} (id int PRIMARY KEY); INSERT INTO ${table} VALUES (1)`);
    await capture.first(async (snapshot) => {
      expect(await rowsOf(snapshot, schemaOf(capture, 'truncated'))).toHaveLength(1);
      await capture.sql.query(`SET lock_wait_timeout = 5; TRUNCATE TABLE truncated;
        ALTER TABLE altered ADD c int NOT NULL DEFAULT 1, FORCE; DROP TABLE dropped`);
      for (const table of ['truncated', 'altered', 'dropped'])
        await expect(rowsOf(snapshot, schemaOf(capture, table))).rejects.toMatchObject({ code: 'TABLE_REWRITTEN' });
      expect(await rowsOf(snapshot, schemaOf(capture, 'kept'))).toHaveLength(1);
    });
  });

  test('a snapshot whose sessions have ended is SNAPSHOT_LOST', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
    await capture.first(async (snapshot) => {
      const [ids] = await capture.sql.query<RowDataPacket[]>(
        "SELECT id FROM information_schema.processlist WHERE command = 'Sleep' AND db = DATABASE() AND id <> CONNECTION_ID()",
      );
      for (const row of ids) await capture.sql.query(`KILL ${Number(row['id'])}`);
      await expect(rowsOf(snapshot, schemaOf(capture, 't'))).rejects.toMatchObject({ code: 'SNAPSHOT_LOST' });
    });
  });

  test('is taken by a role that may only lock tables, and refused to one that may not', async () => {
    await using capture = await CaptureHarness.open(engine);
    const role = uniqueWord();
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
    await capture.sql.query(`CREATE USER ${role}@'%' IDENTIFIED BY 'secret';
      GRANT SELECT ON \`${capture.database.name}\`.* TO ${role}@'%'; GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${role}@'%'`);
    try {
      const url = new URL(capture.database.url);
      url.username = role;
      url.password = 'secret';
      capture.url = url.href;
      if (engine === 'mysql') {
        await expect(capture.first()).rejects.toMatchObject({ code: 'SOURCE_SNAPSHOT_POSITION' });
        await capture.sql.query(`GRANT LOCK TABLES ON \`${capture.database.name}\`.* TO ${role}@'%'`);
      }
      await capture.first(async (snapshot) => {
        expect(await rowsOf(snapshot, schemaOf(capture, 't'))).toHaveLength(1);
      });
      await capture.sql.query('INSERT INTO t VALUES (2)');
      await capture.until('the row has come', () => capture.journal.changes.length === 1);
    } finally {
      await capture.sql.query(`DROP USER ${role}@'%'`);
    }
  });
});
