import type { Client } from 'pg';

/**
 * Runs a step of the caller's transaction so that its failure leaves the transaction usable: the step is undone and its error thrown.
 */
export async function inSavepoint<T>(client: Client, step: () => Promise<T>): Promise<T> {
  await client.query('SAVEPOINT millrace_step');
  let result: T;
  try {
    result = await step();
  } catch (error) {
    // Where the session itself is gone, the first error is the one that tells.
    await client.query('ROLLBACK TO SAVEPOINT millrace_step; RELEASE SAVEPOINT millrace_step').catch(() => undefined);
    throw error;
  }
  await client.query('RELEASE SAVEPOINT millrace_step');
  return result;
}
