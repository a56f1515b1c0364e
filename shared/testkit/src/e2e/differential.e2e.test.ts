import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences, type TableName } from '../digest/canonical-digest.js';
import { Dice, type RandomTable, randomHistory, randomTables } from './random-history.js';
import { ReplicationPair, told } from './replication-pair.js';

const SCHEMAS = ['random1', 'random2', 'random3'] as const;
/** `DIFFERENTIAL_SEED=n` repeats a history. */
const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? Math.floor(Date.now() / 1_000) % 1_000_000);

let pair: ReplicationPair;
let tables: readonly RandomTable[];
let names: readonly TableName[];
const dice = new Dice(SEED);

beforeAll(async () => {
  pair = await ReplicationPair.create({ include: ['random%.%'] });
  const made: RandomTable[] = [];
  const named: TableName[] = [];
  for (const schema of SCHEMAS) {
    await pair.source.query(`CREATE SCHEMA ${schema}`);
    for (const table of randomTables(dice, schema)) {
      await pair.source.query(table.create);
      made.push(table);
      named.push({ schema, table: table.table });
    }
  }
  tables = made;
  names = named;
  await randomHistory(pair.source, tables, { dice, transactions: 100 });
});

afterAll(() => pair[Symbol.asyncDispose]());

/** Both judges see the same: the testkit's digests and the product's verify. */
async function expectEqual(): Promise<void> {
  expect(await differences(pair.urls, names)).toEqual([]);
  const end = await pair.verify();
  expect(end.code, told(end)).toBe(0);
}

describe(`random transactions over random schemas, DIFFERENTIAL_SEED=${SEED}`, () => {
  test('that went on while the load was running leave the target as the source', async () => {
    const rival = new pg.Client(pair.urls.source);
    await rival.connect();
    try {
      const loading = pair.run('loaded');
      await Promise.all([
        randomHistory(pair.source, tables, { dice, transactions: 150 }),
        randomHistory(rival, tables, { dice: new Dice(SEED + 1), transactions: 150 }),
      ]);
      const loaded = await loading;
      expect(loaded.code, told(loaded)).toBe(0);
    } finally {
      await rival.end();
    }
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    await expectEqual();
  });

  test('that were made while nothing ran come in groups of many', async () => {
    const done = await randomHistory(pair.source, tables, { dice, transactions: 300 });
    expect(done).toBeGreaterThan(300);
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    await expectEqual();
  });

  test('both judges see a value, a row, and one of two equal rows that are not the same', async () => {
    const keyed = `${SCHEMAS[0]}.r0`;
    const keyless = `${SCHEMAS[0]}.r3`;
    await pair.source.query(`INSERT INTO ${keyed} (id) VALUES (-1), (-2); INSERT INTO ${keyless} (id) VALUES (-1), (-1)`);
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    for (const fault of [
      `UPDATE ${keyed} SET id = -3 WHERE id = -1`,
      `DELETE FROM ${keyed} WHERE id = -2`,
      `INSERT INTO ${keyless} (id) VALUES (-1)`,
    ]) {
      await pair.target.query('BEGIN');
      await pair.target.query(fault);
      await pair.target.query('COMMIT');
      const [found, verdict] = await Promise.all([differences(pair.urls, names), pair.verify()]);
      expect(found.length, fault).toBeGreaterThan(0);
      expect(verdict.code, fault).toBe(1);
      await pair.target.query(
        `DELETE FROM ${keyed} WHERE id < 0; INSERT INTO ${keyed} (id) VALUES (-1), (-2); DELETE FROM ${keyless} WHERE id < 0; INSERT INTO ${keyless} (id) VALUES (-1), (-1)`,
      );
    }
    await expectEqual();
  });
});
