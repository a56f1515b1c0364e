import { describe, expect, test } from 'vitest';
import { createMysqlDatabase, withConnection } from '../servers.js';
import {
  createMysqlEdgeTable,
  insertMysqlEdgeValues,
  MYSQL_EDGE_SESSION,
  mysqlEdgeTables,
  mysqlEdgeValues,
} from './mysql-edge-values.js';

describe.each(['mysql', 'mariadb'] as const)('%s', (engine) => {
  test('holds every value of its corpus, of which there are at least 300, each once', async () => {
    const values = mysqlEdgeValues(engine);
    expect(values.length).toBeGreaterThanOrEqual(300);
    expect(new Set(values.map(({ type, literal }) => `${type}: ${literal}`)).size).toBe(values.length);
    await using database = await createMysqlDatabase(engine);
    const refused: string[] = [];
    await withConnection(database.url, async (connection) => {
      await connection.query(MYSQL_EDGE_SESSION);
      for (const table of mysqlEdgeTables(engine)) {
        await connection.query(createMysqlEdgeTable(database.name, table));
        for (const statement of insertMysqlEdgeValues(database.name, table, 1))
          await connection
            .query(statement)
            .catch((error: unknown) => refused.push(`${statement.slice(0, 120)}: ${String(error)}`));
      }
    });
    expect(refused).toEqual([]);
  });
});
