import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createMysqlEdgeTable,
  insertMysqlEdgeValues,
  type MysqlEdgeTable,
  mysqlEdgeTables,
} from '../corpus/mysql-edge-values.js';
import { commonDifferences } from '../digest/common-rows.js';
import { EnginePair } from './engine-pair.js';
import { told } from './replication-pair.js';

const CHANGES_FROM = 100_000;

const PAIRS = (['mysql', 'mariadb'] as const).flatMap((from) =>
  (['postgres', 'mysql', 'mariadb'] as const).map((to) => ({ from, to })),
);

/** What the target has such values for. */
function heldTables(from: 'mysql' | 'mariadb', to: string): readonly MysqlEdgeTable[] {
  return mysqlEdgeTables(from).map((table) => ({
    ...table,
    values: table.values.filter(({ inPostgres, inMysql }) => (to === 'postgres' ? inPostgres : to === 'mysql' ? inMysql : true)),
  }));
}

describe.each(PAIRS)('every edge value of $from arrives in $to', ({ from, to }) => {
  let pair: EnginePair;
  const tables = heldTables(from, to);
  const names = tables.map(({ name }) => name);

  beforeAll(async () => {
    pair = await EnginePair.create({ from, to });
    for (const table of tables) {
      await pair.source.execute(createMysqlEdgeTable(pair.source.schema, table));
      for (const statement of insertMysqlEdgeValues(pair.source.schema, table, 1)) await pair.source.execute(statement);
    }
  });

  afterAll(() => pair[Symbol.asyncDispose]());

  test('#29 #30 #31 #37 #38 #39 #40 by the full load', async () => {
    const end = await pair.run('loaded');
    expect(end.code, told(end)).toBe(0);
    expect(await commonDifferences(pair.source, pair.target, names)).toEqual([]);
  });

  test('#29 #30 #31 #37 #38 #39 #40 by changes: inserted, written over NULL, kept beside a change, moved to another key, deleted', async () => {
    for (const table of tables) {
      const name = `${pair.source.schema}.${table.name}`;
      for (const statement of insertMysqlEdgeValues(pair.source.schema, table, CHANGES_FROM))
        await pair.source.execute(statement);
      for (const statement of [
        `UPDATE ${name} SET note = 'changed' WHERE id >= ${CHANGES_FROM}`,
        `INSERT INTO ${name} SELECT id + ${CHANGES_FROM}, 'by update', NULL FROM ${name} WHERE id >= ${CHANGES_FROM}`,
        `UPDATE ${name} t JOIN ${name} o ON t.id = o.id + ${CHANGES_FROM} SET t.value = o.value WHERE o.id >= ${CHANGES_FROM}`,
        `UPDATE ${name} SET id = id + ${3 * CHANGES_FROM} WHERE id < ${CHANGES_FROM} AND id % 2 = 1`,
        `DELETE FROM ${name} WHERE id < ${CHANGES_FROM} AND id % 4 = 2`,
      ])
        await pair.source.execute(statement);
    }
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    expect(await commonDifferences(pair.source, pair.target, names)).toEqual([]);
  });

  test("and the product's own verify finds them equal", async () => {
    const end = await pair.verify();
    expect(end.code, told(end)).toBe(0);
  });
});

describe.each(['mysql', 'mariadb'] as const)('%s to PostgreSQL', (from) => {
  test('#32 a value that PostgreSQL has not is kept aside and counted, never bent, by load and by stream', async () => {
    await using pair = await EnginePair.create({ from, to: 'postgres' });
    const tables = mysqlEdgeTables(from)
      .map((table) => ({ ...table, values: table.values.filter(({ inPostgres }) => !inPostgres) }))
      .filter(({ values }) => values.length > 0);
    for (const table of tables) {
      await pair.source.execute(createMysqlEdgeTable(pair.source.schema, table));
      for (const statement of insertMysqlEdgeValues(pair.source.schema, table, 1)) await pair.source.execute(statement);
    }
    const loaded = await pair.run('loaded');
    expect(loaded.code, told(loaded)).toBe(0);
    const left = async (): Promise<readonly string[]> => {
      const ids: string[] = [];
      for (const { name } of tables)
        ids.push((await pair.target.rows(`SELECT id FROM app.${name} ORDER BY id`)).flat().join(' '));
      return ids;
    };
    // The NULL behind the values is the only row that arrives.
    expect(await left()).toEqual(tables.map(({ values }) => String(values.length + 1)));
    for (const table of tables)
      for (const statement of insertMysqlEdgeValues(pair.source.schema, table, 101)) await pair.source.execute(statement);
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    expect(await left()).toEqual(tables.map(({ values }) => `${values.length + 1} ${values.length + 101}`));
  });
});
