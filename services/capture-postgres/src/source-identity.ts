import { MillraceError } from '@millrace/errors/millrace-error.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import type { Client } from 'pg';
import { readLogEnd } from './catalog-state.js';
import { type LsnKey, parseLsn, type SourceIdentity } from './lsn.js';
import { queryError } from './query-error.js';
import { parseTimelineHistory, type TimelineFork } from './slot-rules.js';

/** Which cluster, database and timeline this is, by SQL: works on any session. */
export async function readIdentity(client: Client): Promise<SourceIdentity> {
  try {
    const { rows } = await client.query<{ system: string; database: number; timeline: number }>(
      `SELECT s.system_identifier::text AS system, d.oid AS database,
              CASE WHEN pg_is_in_recovery() THEN c.timeline_id ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int4 END AS timeline
         FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()`,
    );
    const [row] = rows;
    if (row === undefined) throw new MillraceError('SOURCE_PROTOCOL', { what: 'no answer about its identity' });
    return { source: `${row.system}/${row.database}`, timeline: row.timeline };
  } catch (cause) {
    throw queryError(cause, 'identifying the source');
  }
}

/**
 * For a further session of an attached capture: behind an address there may be another server by now, or the same on a new timeline.
 * @throws MillraceError SOURCE_MOVED
 */
export async function checkIdentity(client: Client, expected: SourceIdentity): Promise<void> {
  const found = await readIdentity(client);
  if (found.source === expected.source && found.timeline === expected.timeline) return;
  throw new MillraceError('SOURCE_MOVED', { found: describe(found), expected: describe(expected) });
}

function describe({ source, timeline }: SourceIdentity): string {
  return `${source} on timeline ${timeline}`;
}

/** The forks in the history of the timeline that the server is on. @param replication a walsender session */
export async function readTimelineHistory(replication: Client, timeline: number): Promise<readonly TimelineFork[]> {
  // The first timeline has no history file.
  if (timeline <= 1) return [];
  try {
    const { rows } = await replication.query<{ content: string | Buffer }>(`TIMELINE_HISTORY ${timeline}`);
    return parseTimelineHistory(String(rows[0]?.content ?? ''));
  } catch (cause) {
    throw queryError(cause, 'reading the timeline history');
  }
}

/**
 * The end of the log now, as a place that the stream passes even where nothing else happens from here on: a few bytes of log are
 * written behind it where the server takes them.
 */
export async function readEndPosition(client: Client): Promise<LsnKey> {
  try {
    const { rows } = await client.query<{ lsn: string }>(`SELECT pg_logical_emit_message(true, 'millrace', '')::text AS lsn`);
    return parseLsn(rows[0]?.lsn ?? '');
  } catch (cause) {
    // A standby writes no log: its end is what it has replayed.
    if (sqlStateOf(cause) === '25006' || sqlStateOf(cause) === '55000') return await readLogEnd(client);
    throw queryError(cause, 'reading the end of the log');
  }
}
