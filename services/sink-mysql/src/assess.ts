import { conversionFindings } from '@millrace/apply/conversion-findings.js';
import { findingOf } from '@millrace/apply/finding.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TablePreparation } from '@millrace/contract/sink.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { presentCollation } from './create-table.js';
import type { SinkSession } from './session.js';
import { findTable, readCollations, referringTables } from './target-catalog.js';
import { targetSchema } from './target-schema.js';
import type { TargetTable } from './target-table.js';
import { incompatibilities } from './type-compatibility.js';

/** Comparable with Server.version. */
const OLDEST = { mysql: 8_000_000, mariadb: 10_005_000 } as const;
/** Below it, statements of many rows become statements of few. */
const SMALL_PACKET_BYTES = 4 * 1024 * 1024;

/** What would stop the task in this target, and what somebody should know before it starts. Reads only, changes nothing. */
export async function assessTarget(
  session: SinkSession,
  tables: readonly TableSchema[],
  preparation: TablePreparation,
): Promise<readonly Finding[]> {
  const findings = [...(await assessServer(session))];
  const collations = await readCollations(session.connection);
  for (const table of tables) findings.push(...conversionFindings(table, session.server));
  for (const table of tables) findings.push(...(await assessTable(session, table, { preparation, collations })));
  return findings;
}

const settingsRow = z.object({
  readOnly: z.coerce.number().int(),
  logging: z.coerce.number().int(),
  format: z.string(),
  infile: z.coerce.number().int(),
});

async function assessServer({ connection, server, maxPacketBytes }: SinkSession): Promise<readonly Finding[]> {
  const [settings] = await queryRows(
    connection,
    'SELECT @@GLOBAL.read_only AS readOnly, @@log_bin AS logging, @@binlog_format AS format, @@local_infile AS `infile`',
    [],
    settingsRow,
  );
  const findings: Finding[] = [];
  if (server.version < OLDEST[server.engine])
    findings.push(findingOf('error', 'TARGET_MYSQL_VERSION', 'target', { version: `${server.engine} ${server.text}` }));
  if (settings === undefined) return findings;
  // An administrator may write all the same, which is nothing to rely on: it is a replica.
  if (settings.readOnly !== 0) findings.push(findingOf('error', 'TARGET_READ_ONLY', 'target', { reason: 'read_only is on' }));
  if (settings.logging !== 0 && settings.format === 'STATEMENT')
    findings.push(findingOf('error', 'TARGET_BINLOG_STATEMENTS', 'target', {}));
  if (maxPacketBytes < SMALL_PACKET_BYTES)
    findings.push(findingOf('warning', 'TARGET_PACKET_SMALL', 'target', { bytes: maxPacketBytes }));
  if (settings.infile === 0) findings.push(findingOf('info', 'TARGET_LOCAL_INFILE_OFF', 'target', {}));
  return findings;
}

interface TableOptions {
  readonly preparation: TablePreparation;
  readonly collations: ReadonlySet<string>;
}

async function assessTable(
  { connection, server }: SinkSession,
  source: TableSchema,
  { preparation, collations }: TableOptions,
): Promise<readonly Finding[]> {
  const where = displayTable(source.id);
  try {
    const table = targetSchema(source, server);
    const present = await findTable(connection, table.id);
    if (present === undefined) return assessCollations(table, collations);
    if (preparation === 'DROP_AND_CREATE')
      return [...(await assessDrop(connection, table)), ...assessCollations(table, collations)];
    return [
      ...incompatibilities(table, present).map((mismatch) =>
        findingOf('error', 'TARGET_TABLE_INCOMPATIBLE', `${where}.${mismatch.column}`, { table: where, ...mismatch }),
      ),
      ...assessPresent(table, present),
    ];
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return [{ severity: 'error', code: error.code, where, message: error.message, remedy: error.remedy }];
  }
}

function assessCollations(table: TableSchema, collations: ReadonlySet<string>): readonly Finding[] {
  const where = displayTable(table.id);
  return table.columns
    .filter(({ collation }) => collation !== null && presentCollation(collation, (name) => collations.has(name)) === null)
    .map(({ name, collation }) =>
      findingOf('warning', 'TARGET_COLLATION_MISSING', `${where}.${name}`, {
        table: where,
        column: name,
        collation: collation ?? '',
      }),
    );
}

async function assessDrop(connection: Connection, { id }: TableSchema): Promise<readonly Finding[]> {
  const referring = await referringTables(connection, id);
  if (referring.length === 0) return [];
  const where = displayTable(id);
  return [
    findingOf('error', 'TARGET_TABLE_IN_USE', where, {
      table: where,
      reason: `foreign keys of ${referring.join(', ')} refer to it`,
    }),
  ];
}

function assessPresent(table: TableSchema, present: TargetTable): readonly Finding[] {
  const where = displayTable(table.id);
  const targets = new Map(present.columns.map((column) => [column.name, column]));
  const findings = table.columns.flatMap(({ name, collation }) => {
    const target = targets.get(name)?.collation ?? null;
    if (!table.primaryKey.includes(name) || target === null || target === collation || target.endsWith('_bin')) return [];
    const details = { table: where, column: name, target, source: collation ?? 'none' };
    return [findingOf('warning', 'TARGET_KEY_COLLATION', `${where}.${name}`, details)];
  });
  const { triggers } = present;
  if (triggers.length > 0)
    findings.push(findingOf('warning', 'TARGET_TABLE_TRIGGERS', where, { table: where, triggers: triggers.join(', ') }));
  return findings;
}
