import type { Finding } from '@millrace/contract/finding.js';
import type { Client } from 'pg';
import { findingOf } from './finding-of.js';

/** What a start needs to know of the server, the database and the role that it connects as. */
export interface ServerFacts {
  /** 150004 for 15.4. */
  readonly version: number;
  readonly version_text: string;
  readonly wal_level: string;
  readonly rds: boolean;
  readonly in_recovery: boolean;
  readonly read_only: boolean;
  readonly encoding: string;
  readonly slots: number;
  readonly slots_used: number;
  /** Slots of this database that some task of Millrace holds: a later start needs no further one. */
  readonly own_slots: number;
  readonly senders: number;
  readonly senders_used: number;
  /** max_slot_wal_keep_size in MB, -1 without a limit. */
  readonly wal_kept_mb: number;
  /** idle_replication_slot_timeout (PostgreSQL 18) in seconds, 0: never. */
  readonly idle_timeout_s: number;
  readonly role: string;
  readonly superuser: boolean;
  readonly may_replicate: boolean;
  readonly may_create: boolean;
  readonly database: string;
  readonly large_objects: boolean;
}

const OLDEST = 130_000;
const NEWEST_MAJOR = 18;

const FACTS = `
  SELECT current_setting('server_version_num')::int4 AS version, current_setting('server_version') AS version_text,
         current_setting('wal_level') AS wal_level,
         EXISTS (SELECT FROM pg_settings WHERE name = 'rds.logical_replication') AS rds,
         pg_is_in_recovery() AS in_recovery, current_setting('default_transaction_read_only') = 'on' AS read_only,
         (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()) AS encoding,
         current_setting('max_replication_slots')::int4 AS slots, (SELECT count(*)::int4 FROM pg_replication_slots) AS slots_used,
         (SELECT count(*)::int4 FROM pg_replication_slots WHERE slot_name LIKE 'millrace\\_%' AND database = current_database()) AS own_slots,
         current_setting('max_wal_senders')::int4 AS senders, (SELECT count(*)::int4 FROM pg_stat_replication) AS senders_used,
         (SELECT setting::int4 FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS wal_kept_mb,
         coalesce((SELECT setting::int4 FROM pg_settings WHERE name = 'idle_replication_slot_timeout'), 0) AS idle_timeout_s,
         r.rolname AS role, r.rolsuper AS superuser,
         r.rolsuper OR r.rolreplication
           OR coalesce((SELECT pg_has_role(r.oid, g.oid, 'MEMBER') FROM pg_roles g WHERE g.rolname = 'rds_replication'), false) AS may_replicate,
         has_database_privilege(current_database(), 'CREATE') AS may_create, current_database() AS database,
         EXISTS (SELECT FROM pg_largeobject_metadata) AS large_objects
  FROM pg_roles r WHERE r.rolname = current_user`;

export async function readServerFacts(client: Client): Promise<ServerFacts | undefined> {
  return (await client.query<ServerFacts>(FACTS)).rows[0];
}

/** Pure. `ownPublication`: Millrace is to make a publication of its own. */
export function assessServer(facts: ServerFacts, ownPublication: boolean): readonly Finding[] {
  return [...assessKind(facts), ...assessLog(facts), ...assessRole(facts, ownPublication)];
}

function assessKind(facts: ServerFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const { version, version_text: shown } = facts;
  if (version < OLDEST) findings.push(error('SOURCE_VERSION', { version: shown }));
  else if (Math.floor(version / 10_000) > NEWEST_MAJOR) findings.push(warning('SOURCE_VERSION', { version: shown }));
  if (facts.encoding === 'SQL_ASCII') findings.push(error('SOURCE_ENCODING', { database: facts.database }));
  if (facts.in_recovery) findings.push(error('SOURCE_IN_RECOVERY', {}));
  if (facts.large_objects) findings.push(warning('SOURCE_LARGE_OBJECTS', { database: facts.database }));
  return findings;
}

function assessLog(facts: ServerFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (facts.wal_level !== 'logical') {
    findings.push(error(facts.rds ? 'SOURCE_WAL_LEVEL_RDS' : 'SOURCE_WAL_LEVEL', { walLevel: facts.wal_level }));
  }
  if (facts.slots_used >= facts.slots) {
    const reason = `${facts.slots_used} of max_replication_slots = ${facts.slots} are in use`;
    // One of them may be this task's own.
    findings.push(facts.own_slots > 0 ? warning('SLOT_LIMIT', { reason }) : error('SLOT_LIMIT', { reason }));
  }
  if (facts.senders_used >= facts.senders) {
    const details = { used: facts.senders_used, limit: facts.senders };
    findings.push(
      facts.own_slots > 0 ? warning('SOURCE_SENDERS_EXHAUSTED', details) : error('SOURCE_SENDERS_EXHAUSTED', details),
    );
  }
  if (facts.wal_kept_mb < 0) findings.push(info('SOURCE_WAL_UNLIMITED', {}));
  else findings.push(info('SOURCE_WAL_LIMITED', { megabytes: facts.wal_kept_mb }));
  if (facts.idle_timeout_s > 0) findings.push(warning('SOURCE_SLOT_TIMEOUT', { seconds: facts.idle_timeout_s }));
  return findings;
}

function assessRole(facts: ServerFacts, ownPublication: boolean): readonly Finding[] {
  const findings: Finding[] = [];
  const { role } = facts;
  if (!facts.may_replicate) {
    const grant = facts.rds ? `GRANT rds_replication TO "${role}"` : `ALTER ROLE "${role}" REPLICATION`;
    findings.push(error('SOURCE_RIGHT_MISSING', { role, right: 'REPLICATION', grant }));
  }
  if (!ownPublication) return findings;
  if (!facts.may_create) {
    const right = `CREATE on the database ${facts.database} (for its publication)`;
    findings.push(
      error('SOURCE_RIGHT_MISSING', { role, right, grant: `GRANT CREATE ON DATABASE "${facts.database}" TO "${role}"` }),
    );
  }
  if (facts.read_only && !facts.in_recovery) findings.push(error('SOURCE_READ_ONLY', { role }));
  return findings;
}

type ServerCode = Parameters<typeof findingOf>[0];
type Details = Parameters<typeof findingOf>[1];

function error(code: ServerCode, details: Details): Finding {
  return findingOf(code, details, { severity: 'error', where: 'source' });
}

function warning(code: ServerCode, details: Details): Finding {
  return findingOf(code, details, { severity: 'warning', where: 'source' });
}

function info(code: ServerCode, details: Details): Finding {
  return findingOf(code, details, { severity: 'info', where: 'source' });
}
