import { ChunkRowsCursor } from '@millrace/codec/chunk-rows.js';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { Snapshot } from '@millrace/contract/load.js';
import type { Value } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { CaptureHarness, ENGINES, type Engine } from './testing/capture-harness.js';
import { edgeColumns } from './testing/edge-columns.js';

/** Rows of the table's snapshot by their id. */
async function snapshotRows(snapshot: Snapshot, schema: TableSchema): Promise<Map<Value, Value>> {
  const { signal } = new AbortController();
  const table = { schema, filter: null, encoding: 'rows' } as const;
  const version = newTableVersion(schema, 1);
  const rows = new Map<Value, Value>();
  for await (const chunk of snapshot.chunks(table, null, signal)) {
    for await (const part of snapshot.read(table, version, chunk, signal)) {
      const cursor = new ChunkRowsCursor(part, version);
      while (cursor.next()) {
        const [id = null, value = null] = decodeRow(version, part.bytes, cursor.start, cursor.end);
        rows.set(id, value);
      }
    }
  }
  return rows;
}

async function fill(capture: CaptureHarness, engine: Engine): Promise<number> {
  const { sql } = capture;
  await sql.query("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'");
  let values = 0;
  for (const [index, { declaration, literals }] of edgeColumns(engine).entries()) {
    await sql.query(`CREATE TABLE v${index} (id int PRIMARY KEY, c ${declaration})`);
    for (const [id, literal] of [...literals, 'NULL'].entries()) {
      await sql.query(`INSERT INTO v${index} VALUES (${id}, ${literal})`);
      values += 1;
    }
  }
  return values;
}

describe.each(ENGINES)('values of %s', (engine) => {
  test('#29 #30 #31 #32 #38 #40 are the same by snapshot and by log', async () => {
    await using capture = await CaptureHarness.open(engine);
    const count = await fill(capture, engine);
    expect(count).toBeGreaterThan(150);
    const inSnapshot = new Map<string, Map<Value, Value>>();
    await capture.first(async (snapshot) => {
      for (const { schema } of capture.journal.schemas)
        inSnapshot.set(displayTable(schema.id), await snapshotRows(snapshot, schema));
    });
    for (const index of edgeColumns(engine).keys()) await capture.sql.query(`DELETE FROM v${index}`);
    await capture.caughtUp();
    const inLog = new Map<string, Map<Value, Value>>();
    for (const change of capture.journal.changes) {
      if (change.kind !== 'delete') continue;
      const rows = inLog.get(change.table) ?? new Map<Value, Value>();
      inLog.set(change.table, rows.set(change.before['id'] ?? null, change.before['c'] ?? null));
    }
    const all = (found: Map<string, Map<Value, Value>>): unknown =>
      edgeColumns(engine).map(({ declaration }, index) => ({
        declaration,
        rows: shown(found.get(`${capture.database.name}.v${index}`)),
      }));
    expect(all(inLog)).toEqual(all(inSnapshot));
  });

  test('texts are what the server prints', async () => {
    await using capture = await CaptureHarness.open(engine);
    await fill(capture, engine);
    await capture.first(async (snapshot) => {
      for (const [index, { declaration, printed }] of edgeColumns(engine).entries()) {
        const schema = capture.journal.schemas.map((each) => each.schema).find(({ id }) => id.table === `v${index}`);
        if (schema === undefined || printed === null) continue;
        const rows = await snapshotRows(snapshot, schema);
        const [found] = await capture.sql.query<RowDataPacket[]>(`SELECT id, ${printed} AS c FROM v${index}`);
        const expected = new Map(found.map((row) => [Number(row['id']), row['c'] === null ? null : String(row['c'])]));
        expect({
          declaration,
          rows: new Map([...rows].map(([id, value]) => [id, value === null ? null : String(value)])),
        }).toEqual({
          declaration,
          rows: expected,
        });
      }
    });
  });
});

/** Sorted, with negative zero told from zero and bytes as hexadecimal. */
function shown(rows: Map<Value, Value> | undefined): readonly string[] {
  return [...(rows ?? [])]
    .sort(([one], [other]) => Number(one) - Number(other))
    .map(([id, value]) => {
      const text =
        value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString('hex')}` : Object.is(value, -0) ? '-0' : String(value);
      return `${String(id)}: ${typeof value === 'string' ? 'text' : ''} ${text}`;
    });
}
