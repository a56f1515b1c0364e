import { displayTable, tableKey } from '@millrace/codec/table-key.js';
import type { TableSelector } from '@millrace/contract/capture.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { describeTables } from '../catalog/describe-tables.js';
import { listTables, SYSTEM_DATABASES } from '../catalog/list-tables.js';
import { selectTables } from '../selection.js';
import { hasLowerCaseNames, readServer, readVariables, type SourceServer } from '../server-log.js';

/** Everything that would stop the load or the stream, or make it inexact, before either starts. Reads only. */
export async function assessSource(session: Connection, selector: TableSelector): Promise<readonly Finding[]> {
  const server = await readServer(session);
  const listed = await listTables(session);
  const tables = selectTables(listed, selector);
  return [
    ...selector.assess(listed),
    ...assessVersion(server),
    ...(await assessSettings(session, server)),
    ...(await assessNames(session)),
    ...(await assessRights(session)),
    ...(await assessTables(session, server, tables)),
  ];
}

function assessVersion({ engine, version, text }: SourceServer): readonly Finding[] {
  const [from, below] = engine === 'mysql' ? [5_007_000, 8_005_000] : [10_005_000, 12_000_000];
  if (version >= from && version < below) return [];
  const severity = version < from ? 'error' : 'warning';
  return [findingOf(severity, 'source', new MillraceError('SOURCE_VERSION_MYSQL', { version: text }))];
}

/** What a setting must be, and why. */
const SETTINGS: readonly {
  readonly setting: string;
  readonly wanted: string;
  readonly severity: Finding['severity'];
  readonly why: string;
}[] = [
  { setting: 'binlog_format', wanted: 'ROW', severity: 'error', why: 'Other formats log statements in place of rows.' },
  { setting: 'binlog_row_image', wanted: 'FULL', severity: 'error', why: 'Other images leave columns out of the log.' },
  {
    setting: 'binlog_row_metadata',
    wanted: 'FULL',
    severity: 'warning',
    why: 'Otherwise the log does not name columns, and a table that is altered has to be loaded again.',
  },
  { setting: 'binlog_transaction_compression', wanted: 'OFF', severity: 'error', why: 'Compressed transactions are not read.' },
  { setting: 'binlog_row_value_options', wanted: '', severity: 'error', why: 'Partial updates of JSON values are not read.' },
];

async function assessSettings(session: Connection, server: SourceServer): Promise<readonly Finding[]> {
  const names = [
    'log_bin',
    'binlog_expire_logs_seconds',
    'expire_logs_days',
    'binlog_checksum',
    ...SETTINGS.map(({ setting }) => setting),
  ];
  const values = await readVariables(session, names);
  if (values.get('log_bin') !== 'ON') return [findingOf('error', 'source', new MillraceError('SOURCE_LOG_OFF'))];
  const findings: Finding[] = [];
  for (const { setting, wanted, severity, why } of SETTINGS) {
    const value = values.get(setting);
    if (value === undefined || value.toUpperCase() === wanted) continue;
    // FULL_NODUP (MariaDB 11) leaves unchanged columns out of the new image.
    findings.push(
      findingOf(severity, 'source', new MillraceError('SOURCE_SETTING', { setting, value, wanted: wanted || "''", why })),
    );
  }
  const seconds = Number(values.get('binlog_expire_logs_seconds') ?? 0) || Number(values.get('expire_logs_days') ?? 0) * 86_400;
  if (seconds > 0 && seconds < 86_400)
    findings.push(
      findingOf('warning', 'source', new MillraceError('SOURCE_LOG_RETENTION', { hours: Math.floor(seconds / 3_600) })),
    );
  if (values.get('binlog_checksum') === 'NONE') {
    const why = 'Without checksums damage to the log on its way is not noticed.';
    const details = { setting: 'binlog_checksum', value: 'NONE', wanted: 'CRC32', why };
    findings.push(findingOf('warning', 'source', new MillraceError('SOURCE_SETTING', details)));
  }
  if (server.engine === 'mysql' && !server.gtids) {
    const why = 'Without GTIDs the capture cannot go on after a failover.';
    const details = { setting: 'gtid_mode', value: 'OFF', wanted: 'ON', why };
    findings.push(findingOf('info', 'source', new MillraceError('SOURCE_SETTING', details)));
  }
  return findings;
}

async function assessNames(session: Connection): Promise<readonly Finding[]> {
  try {
    await hasLowerCaseNames(session);
    return [];
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return [findingOf('error', 'source', error)];
  }
}

const grantRow = z.record(z.string(), z.string());

/** Rights on the whole server; those on tables show when they are read. */
async function assessRights(session: Connection): Promise<readonly Finding[]> {
  const rows = await queryRows(session, 'SHOW GRANTS', [], grantRow);
  const grants = rows.flatMap((row) => Object.values(row)).filter((grant) => / ON \*\.\* /.test(grant));
  const has = (...names: readonly string[]): boolean =>
    grants.some((grant) => names.some((name) => new RegExp(`(GRANT|,) ?(${name}|ALL PRIVILEGES)(,| ON)`, 'i').test(grant)));
  const user = (await queryRows(session, 'SELECT CURRENT_USER() AS user', [], z.object({ user: z.string() })))[0]?.user ?? '?';
  const missing = (right: string, severity: Finding['severity']): Finding => {
    const details = { user, right, grant: `GRANT ${right} ON *.* TO the user` };
    return findingOf(severity, 'source', new MillraceError('SOURCE_GRANT_MISSING', details));
  };
  return [
    ...(has('REPLICATION SLAVE', 'REPLICATION REPLICA') ? [] : [missing('REPLICATION SLAVE', 'error')]),
    ...(has('REPLICATION CLIENT', 'BINLOG MONITOR', 'SUPER') ? [] : [missing('REPLICATION CLIENT', 'error')]),
    ...(has('RELOAD') ? [] : [missing('RELOAD', 'warning')]),
  ];
}

const engineRow = z.object({ schema: z.string(), name: z.string(), engine: z.string().nullable() });
const cascadeRow = z.object({
  schema: z.string(),
  name: z.string(),
  constraint: z.string(),
  update: z.string(),
  delete: z.string(),
});

async function assessTables(session: Connection, server: SourceServer, tables: readonly TableId[]): Promise<readonly Finding[]> {
  const chosen = new Set(tables.map(tableKey));
  const isChosen = ({ schema, name }: { readonly schema: string; readonly name: string }): boolean =>
    chosen.has(tableKey({ schema, table: name }));
  const findings: Finding[] = [];
  const engines = await queryRows(
    session,
    'SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN (?)',
    [SYSTEM_DATABASES],
    engineRow,
  );
  for (const row of engines) {
    if (!isChosen(row) || row.engine === 'InnoDB' || row.engine === 'ROCKSDB') continue;
    const table = displayTable({ schema: row.schema, table: row.name });
    findings.push(findingOf('error', table, new MillraceError('SOURCE_TABLE_ENGINE', { table, engine: row.engine ?? 'none' })));
  }
  const cascades = await queryRows(
    session,
    `SELECT CONSTRAINT_SCHEMA AS \`schema\`, TABLE_NAME AS name, CONSTRAINT_NAME AS \`constraint\`, UPDATE_RULE AS \`update\`, DELETE_RULE AS \`delete\`
       FROM information_schema.REFERENTIAL_CONSTRAINTS`,
    [],
    cascadeRow,
  );
  for (const row of cascades) {
    const actions = [
      ...(CHANGES.has(row.update) ? [`ON UPDATE ${row.update}`] : []),
      ...(CHANGES.has(row.delete) ? [`ON DELETE ${row.delete}`] : []),
    ];
    if (!isChosen(row) || actions.length === 0) continue;
    const table = displayTable({ schema: row.schema, table: row.name });
    const details = { table, constraint: row.constraint, action: actions.join(', ') };
    findings.push(findingOf('warning', table, new MillraceError('SOURCE_CASCADES', details)));
  }
  for (const id of tables) {
    try {
      await describeTables(session, server, [id]);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      findings.push(findingOf('error', displayTable(id), error));
    }
  }
  return findings;
}

const CHANGES = new Set(['CASCADE', 'SET NULL', 'SET DEFAULT']);

function findingOf(severity: Finding['severity'], where: string, error: MillraceError): Finding {
  return { severity, code: error.code, where, message: error.message, remedy: error.remedy };
}
