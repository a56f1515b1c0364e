import { findingOf } from '@millrace/apply/finding.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TablePreparation } from '@millrace/contract/sink.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteTable } from '@millrace/mysql/quote-identifier.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { createTable, defaultOf, isCounted, presentCollation } from './create-table.js';
import { serverFailureOf } from './server-failure.js';
import { write } from './statements.js';
import { findTable, isEmpty, readCollations, referringTables } from './target-catalog.js';
import type { TargetTable } from './target-table.js';
import { incompatibilities } from './type-compatibility.js';

export interface Prepared {
  /** No row was in it after the preparation: a load that starts again may empty it. */
  readonly wasEmpty: boolean;
  /** What could not be made as in the source. */
  readonly findings: readonly Finding[];
}

/**
 * Makes the target table ready for its rows. Every step commits by itself and is safe to repeat until the caller has recorded the end.
 * @throws MillraceError TARGET_NOT_A_TABLE, TARGET_NOT_TRANSACTIONAL, TARGET_TABLE_IN_USE, TARGET_TABLE_INCOMPATIBLE
 */
export async function prepareTable(
  connection: Connection,
  schema: TableSchema,
  preparation: TablePreparation,
): Promise<Prepared> {
  let present = await findTable(connection, schema.id);
  if (present !== undefined && preparation === 'DROP_AND_CREATE') {
    await dropTable(connection, schema);
    present = undefined;
  }
  if (present === undefined) return { wasEmpty: true, findings: await createWhole(connection, schema) };
  refuseIncompatible(schema, present);
  switch (preparation) {
    case 'TRUNCATE_BEFORE_LOAD':
    case 'DROP_AND_CREATE':
      await emptyTable(connection, schema);
      return { wasEmpty: true, findings: [] };
    case 'DO_NOTHING':
      return { wasEmpty: await isEmpty(connection, schema.id), findings: [] };
    default:
      return assertNever(preparation);
  }
}

/** @throws MillraceError TARGET_TABLE_INCOMPATIBLE with the first column that cannot hold the source's values */
export function refuseIncompatible(schema: TableSchema, present: TargetTable): void {
  const [first] = incompatibilities(schema, present);
  if (first !== undefined) throw new MillraceError('TARGET_TABLE_INCOMPATIBLE', { table: displayTable(schema.id), ...first });
}

const ACCESS_DENIED = new Set([1044, 1142]);

/** Removes every row; where the right to TRUNCATE is missing, by DELETE. */
export async function emptyTable(connection: Connection, schema: TableSchema): Promise<void> {
  try {
    await write(connection, `TRUNCATE TABLE ${quoteTable(schema.id)}`);
  } catch (error) {
    if (!ACCESS_DENIED.has(serverFailureOf(error)?.number ?? 0)) throw error;
    await write(connection, `DELETE FROM ${quoteTable(schema.id)}`);
  }
}

/** @throws MillraceError TARGET_TABLE_IN_USE: without its checks, the server would leave foreign keys that refer to nothing */
export async function dropTable(connection: Connection, { id }: TableSchema): Promise<void> {
  const referring = await referringTables(connection, id);
  if (referring.length > 0)
    throw new MillraceError('TARGET_TABLE_IN_USE', {
      table: displayTable(id),
      reason: `foreign keys of ${referring.join(', ')} refer to it`,
    });
  await write(connection, `DROP TABLE IF EXISTS ${quoteTable(id)}`);
}

const there = z.object({});

/** Table, key and defaults, in a database that is made where missing; what the target lacks is left out with a finding. */
export async function createWhole(connection: Connection, schema: TableSchema): Promise<readonly Finding[]> {
  const databases = await queryRows(
    connection,
    'SELECT 1 AS there FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?',
    [schema.id.schema],
    there,
  );
  if (databases.length === 0)
    await write(connection, `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(schema.id.schema)} CHARACTER SET utf8mb4`);
  const collations = await readCollations(connection);
  const hasCollation = (name: string): boolean => collations.has(name);
  const findings = schema.columns
    .filter(({ collation }) => collation !== null && presentCollation(collation, hasCollation) === null)
    .map(({ name, collation }) =>
      findingOf('warning', 'TARGET_COLLATION_MISSING', `${displayTable(schema.id)}.${name}`, {
        table: displayTable(schema.id),
        column: name,
        collation: collation ?? '',
      }),
    );
  try {
    await write(connection, createTable(schema, hasCollation, true));
    return findings;
  } catch (error) {
    if (!isAboutDefault(error)) throw error;
  }
  await write(connection, createTable(schema, hasCollation, false));
  return [...findings, ...(await createDefaults(connection, schema))];
}

async function createDefaults(connection: Connection, schema: TableSchema): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const column of schema.columns) {
    if (column.default === null || column.generated !== null || isCounted(column)) continue;
    try {
      await write(
        connection,
        `ALTER TABLE ${quoteTable(schema.id)} ALTER COLUMN ${quoteIdentifier(column.name)} SET DEFAULT ${defaultOf(column, column.default)}`,
      );
    } catch (error) {
      const failure = serverFailureOf(error);
      if (failure === undefined || !isAboutDefault(error)) throw error;
      const table = displayTable(schema.id);
      const details = { table, column: column.name, expression: column.default, reason: failure.message };
      findings.push(findingOf('warning', 'TARGET_DEFAULT_LEFT_OUT', `${table}.${column.name}`, details));
    }
  }
  return findings;
}

/** A default that this server does not take: of its form, its value, its function. */
function isAboutDefault(error: unknown): boolean {
  return [1064, 1067, 1101, 1294, 1305, 1901, 3770, 3771, 3772, 3773, 3774, 3775].includes(serverFailureOf(error)?.number ?? 0);
}
