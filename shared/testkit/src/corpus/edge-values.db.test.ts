import pg from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from '../servers.js';
import { createEdgeTable, edgePrelude, edgeTables, insertEdgeValues } from './edge-values.js';
import { serverAbilities } from './server-abilities.js';

test('the server takes every value of the corpus that it can hold', async () => {
  await using database = await createDatabase();
  const client = new pg.Client(database.url);
  await client.connect();
  try {
    const tables = edgeTables(await serverAbilities(client));
    for (const statement of edgePrelude(tables)) await client.query(statement);
    const refused: string[] = [];
    for (const table of tables) {
      await client.query(createEdgeTable(table));
      for (const value of table.values) {
        await client
          .query(`${insertEdgeValues({ ...table, values: [value] }, 1)}; DELETE FROM edge.${table.name}`)
          .catch((error: unknown) => refused.push(`${value.name}: ${error instanceof Error ? error.message : String(error)}`));
      }
    }
    expect(refused).toEqual([]);
  } finally {
    await client.end();
  }
});
