import type { Client, QueryResult } from 'pg';
import { NotPostgresText } from './date-time-text.js';
import { Pipeline } from './pipeline.js';
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

interface Prepared {
  readonly pipeline: Pipeline;
  /** Of `execute`, by text. */
  readonly names: Map<string, string>;
}

const sessions = new WeakMap<Client, Prepared>();

/** The session's pipeline. The planner is set once per session, outside of transactions: a rollback would undo it. */
export async function prepareSession(client: Client): Promise<Pipeline> {
  const known = sessions.get(client);
  if (known !== undefined) return known.pipeline;
  await client.query(PLANNER);
  const pipeline = new Pipeline(client);
  sessions.set(client, { pipeline, names: new Map() });
  return pipeline;
}

/** Runs a statement that comes again and again with other values: the server parses it once per session. */
export async function execute(client: Client, text: string, values: readonly unknown[]): Promise<QueryResult> {
  const names = sessions.get(client)?.names;
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
