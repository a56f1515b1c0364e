import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEdgeTable, type EdgeTable, edgePrelude, edgeTables, insertEdgeValues } from '../corpus/edge-values.js';
import { serverAbilities } from '../corpus/server-abilities.js';
import { differences, type TableName } from '../digest/canonical-digest.js';
import { ReplicationPair, told } from './replication-pair.js';

const CHANGES_FROM = 100_000;

/** Two ways through the pipe: as the source's own bulk bytes, and row by row, which any rule that touches rows asks for. */
const WAYS = [
  { way: 'as it is', options: { include: ['edge.%'] }, addedColumn: null },
  { way: 'through a mapping rule', options: { tableMappings: addColumn('added_by_rule') }, addedColumn: 'added_by_rule' },
] as const;

function addColumn(name: string): object {
  const locator = { 'schema-name': 'edge', 'table-name': '%' };
  return {
    rules: [
      { 'rule-type': 'selection', 'rule-id': '1', 'rule-name': '1', 'object-locator': locator, 'rule-action': 'include' },
      {
        'rule-type': 'transformation',
        'rule-id': '2',
        'rule-name': '2',
        'rule-target': 'column',
        'object-locator': locator,
        'rule-action': 'add-column',
        value: name,
        expression: "'by rule'",
        'data-type': { type: 'string', length: 50 },
      },
    ],
  };
}

describe.each(WAYS)('every edge value of every type arrives byte for byte, $way', ({ options, addedColumn }) => {
  let pair: ReplicationPair;
  let tables: readonly EdgeTable[];
  let names: readonly TableName[];

  beforeAll(async () => {
    pair = await ReplicationPair.create(options);
    tables = edgeTables(await serverAbilities(pair.source));
    names = tables.map(({ name }) => ({ schema: 'edge', table: name }));
    const prelude = edgePrelude(tables);
    for (const statement of prelude) await pair.source.query(statement);
    for (const statement of prelude.filter((text) => text.startsWith('CREATE EXTENSION'))) await pair.target.query(statement);
    for (const table of tables) await pair.source.query(`${createEdgeTable(table)}; ${insertEdgeValues(table, 1)}`);
  });

  afterAll(() => pair[Symbol.asyncDispose]());

  test('#37 #38 #39 #40 by the full load', async () => {
    const end = await pair.run('loaded');
    expect(end.code, told(end)).toBe(0);
    expect(await differences(pair.urls, names, addedColumn)).toEqual([]);
  });

  test('#37 #38 #39 #40 by changes: inserted, written over NULL, kept beside a change, moved to another key, deleted', async () => {
    for (const table of tables) {
      const value = `edge.${table.name}`;
      await pair.source.query(insertEdgeValues(table, CHANGES_FROM));
      await pair.source.query(`UPDATE ${value} SET note = 'changed' WHERE id >= ${CHANGES_FROM}`);
      await pair.source.query(
        `INSERT INTO ${value} SELECT id + ${CHANGES_FROM}, 'by update', NULL FROM ${value} WHERE id >= ${CHANGES_FROM}`,
      );
      await pair.source.query(
        `UPDATE ${value} t SET value = o.value FROM ${value} o WHERE t.id = o.id + ${CHANGES_FROM} AND o.id >= ${CHANGES_FROM}`,
      );
      await pair.source.query(`UPDATE ${value} SET id = id + ${3 * CHANGES_FROM} WHERE id < ${CHANGES_FROM} AND id % 2 = 1`);
      await pair.source.query(`DELETE FROM ${value} WHERE id < ${CHANGES_FROM} AND id % 4 = 2`);
    }
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    expect(await differences(pair.urls, names, addedColumn)).toEqual([]);
  });

  test.runIf(addedColumn === null)("and the product's own verify finds them equal", async () => {
    const end = await pair.verify();
    expect(end.code, told(end)).toBe(0);
  });
});
