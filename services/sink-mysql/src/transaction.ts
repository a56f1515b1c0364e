import type { Connection } from 'mysql2/promise';

/** Runs the work in one transaction; any error rolls it back and is thrown on. Nothing in it may define tables: that would commit it. */
export async function inTransaction<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  await connection.query('START TRANSACTION');
  try {
    const result = await work();
    await connection.query('COMMIT');
    return result;
  } catch (error) {
    // On a connection that is gone the server has rolled back by itself.
    await connection.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
