import type { Client } from 'pg';

/** Runs the work in one transaction; any error rolls it back and is thrown on. */
export async function inTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // On a connection that is gone the server has rolled back by itself.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
