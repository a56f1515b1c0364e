import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EdgeTable, edgePrelude, edgeTables } from '../corpus/edge-values.js';
import { serverAbilities } from '../corpus/server-abilities.js';
import { differences, type TableName } from '../digest/canonical-digest.js';
import { ReplicationPair, told } from './replication-pair.js';

// A change finds its row by its key. So every type that can be a key is one here, over all its edge values.

let pair: ReplicationPair;
let tables: readonly EdgeTable[];
let names: readonly TableName[];

beforeAll(async () => {
  pair = await ReplicationPair.create({ include: ['edge.%'] });
  const { source, target } = pair;
  const all = edgeTables(await serverAbilities(source));
  const prelude = edgePrelude(all);
  for (const statement of prelude) await source.query(statement);
  for (const statement of prelude.filter((text) => text.startsWith('CREATE EXTENSION'))) await target.query(statement);
  const created: EdgeTable[] = [];
  for (const table of all) if (await createKeyed(source, table)) created.push(table);
  tables = created;
  names = tables.map(({ name }) => ({ schema: 'edge', table: name }));
});

afterAll(() => pair[Symbol.asyncDispose]());

/** False: the type has no order, so it cannot be a key. Values that are equal to an earlier one or too long for an index stay out. */
async function createKeyed(client: pg.Client, { name, type, values }: EdgeTable): Promise<boolean> {
  const created = await client
    .query(`CREATE TABLE edge.${name} (value ${type} PRIMARY KEY, place serial, n integer DEFAULT 0)`)
    .then(
      () => true,
      () => false,
    );
  if (!created) return false;
  // An array has an order even where its elements have none; it shows when two are compared.
  const ordered = await client
    .query(`SELECT ARRAY[value] < ARRAY[value] FROM (SELECT ${values[0]?.literal}::${type}) v (value)`)
    .then(
      () => true,
      () => false,
    );
  if (!ordered) {
    await client.query(`DROP TABLE edge.${name}`);
    return false;
  }
  for (const { literal } of values)
    await client.query(`INSERT INTO edge.${name} (value) VALUES (${literal}) ON CONFLICT DO NOTHING`).catch(() => undefined);
  return true;
}

async function expectEqual(): Promise<void> {
  const end = await pair.run('caught-up');
  expect(end.code, told(end)).toBe(0);
  expect(await differences(pair.urls, names)).toEqual([]);
}

describe('a key of any type finds its row', () => {
  test('by the full load, then an update of each row', async () => {
    expect(tables.length).toBeGreaterThan(70);
    const end = await pair.run('loaded');
    expect(end.code, told(end)).toBe(0);
    for (const { name } of tables) await pair.source.query(`UPDATE edge.${name} SET n = place`);
    await expectEqual();
  });

  test('deletes and re-inserts in one transaction, rows apart and the whole table in one group', async () => {
    for (const { name } of tables) {
      await pair.source.query(
        `BEGIN; CREATE TEMP TABLE kept AS SELECT * FROM edge.${name}; DELETE FROM edge.${name} WHERE place % 2 = 0; COMMIT`,
      );
      await pair.source.query(
        `BEGIN; DELETE FROM edge.${name}; INSERT INTO edge.${name} SELECT * FROM kept WHERE place % 3 > 0; DROP TABLE kept; COMMIT`,
      );
    }
    await expectEqual();
  });

  test('a key that becomes an equal one of other text is the same row with the new text', async () => {
    await pair.source.query(`
      UPDATE edge.${named('numeric')} SET value = value + 0.000 WHERE value BETWEEN -100 AND 100;
      UPDATE edge.${named('double precision')} SET value = '-0' WHERE value = 0;
      UPDATE edge.${named('character(5)')} SET value = 'b' WHERE value = 'a';
      UPDATE edge.${named('interval')} SET value = '24:00:00' WHERE value = '1 day'`);
    await expectEqual();
  });

  test("and the product's own verify finds them equal", async () => {
    const end = await pair.verify();
    expect(end.code, told(end)).toBe(0);
  });
});

function named(type: string): string {
  return tables.find((table) => table.type === type)?.name ?? 'missing';
}
