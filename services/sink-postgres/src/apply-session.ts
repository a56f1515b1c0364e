import type { Client, QueryResult } from 'pg';
import { NotPostgresText } from './date-time-text.js';
import { isConnectionLoss, serverFailureOf } from './sql-state.js';

/** Prepared statements per session; what comes after is prepared each time. */
const MAX_PREPARED = 500;

/**
 * Plans of bulk statements must not depend on how large a table was when they were made: they always look each key up. Keyless
 * tables are scanned all the same.
 */
const PLANNER =
  "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false), " +
  "set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)";

const sessions = new WeakMap<Client, Map<string, string>>();

/** Once per session, outside of transactions: a rollback would undo it. */
export async function prepareSession(client: Client): Promise<void> {
  if (sessions.has(client)) return;
  await client.query(PLANNER);
  sessions.set(client, new Map());
}

/** Runs a statement that comes again and again with other values: the server parses it once per session. */
export async function execute(client: Client, text: string, values: readonly unknown[]): Promise<QueryResult> {
  const names = sessions.get(client);
  let name = names?.get(text);
  if (name === undefined && names !== undefined && names.size < MAX_PREPARED) {
    name = `millrace_${names.size}`;
    names.set(text, name);
  }
  return client.query({ text, values: [...values], ...(name === undefined ? {} : { name }) });
}

/** The target's answer to the data itself: another attempt would meet it again, and the policy has to judge. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof NotPostgresText) return true;
  const failure = serverFailureOf(error);
  if (failure === undefined || isConnectionLoss(error)) return false;
  return failure.kind === 'duplicate' || failure.kind === 'data' || failure.kind === 'table';
}
