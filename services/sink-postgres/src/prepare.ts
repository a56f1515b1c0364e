import { findingOf } from '@millrace/apply/finding.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { TablePreparation } from '@millrace/contract/sink.js';
import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { createSerial, createTable, sequenceName, setDefault } from './create-table.js';
import { type PresentTable, readPresentTable } from './present-table.js';
import { inSavepoint } from './savepoint.js';
import { serverFailureOf } from './sql-state.js';
import { incompatibilities } from './table-compatibility.js';
import { findTable, freeRelationName, isEmpty } from './target-relation.js';
import { targetSchema } from './target-schema.js';
import { createTypes } from './target-types.js';

export interface Prepared {
  /** The table was made now; its primary key comes with `finishTable`. */
  readonly created: boolean;
  /** No row was in it after the preparation: a load that starts again may empty it. */
  readonly wasEmpty: boolean;
  /** What could not be made as in the source, e.g. a default whose function the target lacks. */
  readonly findings: readonly Finding[];
}

/**
 * Makes the target table ready for its rows, inside the caller's transaction, so that the caller's record of it makes it happen once.
 * @throws MillraceError TARGET_NOT_A_TABLE, TARGET_TABLE_IN_USE, TARGET_TABLE_INCOMPATIBLE
 */
export async function prepareTable(client: Client, version: TableSchema, preparation: TablePreparation): Promise<Prepared> {
  const schema = targetSchema(version);
  let oid = await findTable(client, schema.id);
  if (oid !== null && preparation === 'DROP_AND_CREATE') {
    await dropTable(client, schema);
    oid = null;
  }
  await createTypes(client, schema, null);
  if (oid === null) return { created: true, wasEmpty: true, findings: await createWhole(client, schema) };
  refuseIncompatible(schema, await readPresentTable(client, oid));
  switch (preparation) {
    case 'TRUNCATE_BEFORE_LOAD':
    case 'DROP_AND_CREATE':
      await emptyTable(client, schema);
      return { created: false, wasEmpty: true, findings: [] };
    case 'DO_NOTHING':
      return { created: false, wasEmpty: await isEmpty(client, schema.id), findings: [] };
    default:
      return assertNever(preparation);
  }
}

/** @throws MillraceError TARGET_TABLE_INCOMPATIBLE with the first column that cannot hold the source's values */
function refuseIncompatible(schema: TableSchema, present: PresentTable): void {
  const [first] = incompatibilities(schema, present);
  if (first !== undefined) throw new MillraceError('TARGET_TABLE_INCOMPATIBLE', { table: displayTable(schema.id), ...first });
}

/**
 * Removes every row. Where TRUNCATE is refused (a foreign key points to the table, or the right is missing) the rows are deleted,
 * yet only in a session without triggers, whose DELETE cannot reach into other tables.
 * @throws MillraceError TARGET_TABLE_IN_USE
 */
export async function emptyTable(client: Client, schema: TableSchema): Promise<void> {
  try {
    await inSavepoint(client, () => client.query(`TRUNCATE TABLE ${quoteTable(schema.id)}`));
  } catch (error) {
    const state = serverFailureOf(error)?.sqlState;
    if (state !== '0A000' && state !== '42501') throw error;
    const { rows } = await client.query<{ role: string }>(`SELECT current_setting('session_replication_role') AS role`);
    if (rows[0]?.role !== 'replica') throw inUse(schema, error);
    await client.query(`DELETE FROM ${quoteTable(schema.id)}`);
  }
}

async function dropTable(client: Client, schema: TableSchema): Promise<void> {
  try {
    await client.query(`DROP TABLE ${quoteTable(schema.id)}`);
  } catch (error) {
    throw serverFailureOf(error)?.sqlState === '2BP01' ? inUse(schema, error) : error;
  }
}

function inUse(schema: TableSchema, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError('TARGET_TABLE_IN_USE', { table: displayTable(schema.id), reason }, { cause });
}

/** Table, sequences and defaults; what the target lacks for a default or a collation is left out with a finding. */
export async function createWhole(client: Client, schema: TableSchema): Promise<readonly Finding[]> {
  const { hasCollation, findings } = await collationsOf(client, schema);
  await client.query(createTable(schema, hasCollation));
  return [...findings, ...(await createDefaults(client, schema, schema.columns))];
}

/** Which of the columns' collations the target has, and a finding for each column whose collation it lacks. */
export async function collationsOf(
  client: Client,
  schema: TableSchema,
): Promise<{ readonly hasCollation: (collation: string) => boolean; readonly findings: readonly Finding[] }> {
  const names = [...new Set(schema.columns.flatMap(({ collation }) => (collation === null ? [] : [collation])))];
  if (names.length === 0) return { hasCollation: () => false, findings: [] };
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) name WHERE to_regcollation(name) IS NOT NULL',
    [names],
  );
  const there = new Set(rows.map(({ name }) => name));
  const findings = schema.columns
    .filter(({ collation }) => collation !== null && !there.has(collation))
    .map(({ name, collation }) =>
      findingOf('warning', 'TARGET_COLLATION_MISSING', `${displayTable(schema.id)}.${name}`, {
        table: displayTable(schema.id),
        column: name,
        collation: collation ?? '',
      }),
    );
  return { hasCollation: (collation) => there.has(collation), findings };
}

/** Gives columns of a table that was just made, or columns just added, their defaults. */
export async function createDefaults(
  client: Client,
  schema: TableSchema,
  columns: readonly ColumnSchema[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const column of columns) {
    const statements = await defaultStatements(client, schema, column);
    if (statements.length === 0) continue;
    try {
      await inSavepoint(client, async () => {
        for (const statement of statements) await client.query(statement);
      });
    } catch (error) {
      const failure = serverFailureOf(error);
      if (failure === undefined || !isMissingObject(failure.sqlState)) throw error;
      const where = `${displayTable(schema.id)}.${column.name}`;
      findings.push(
        findingOf('warning', 'TARGET_DEFAULT_LEFT_OUT', where, {
          table: displayTable(schema.id),
          column: column.name,
          expression: column.default ?? '',
          reason: failure.message,
        }),
      );
    }
  }
  return findings;
}

async function defaultStatements(client: Client, schema: TableSchema, column: ColumnSchema): Promise<readonly string[]> {
  if (column.default === null || column.generated !== null) return [];
  if (column.identity !== 'serial') return [setDefault(schema.id, column.name, column.default)];
  return createSerial(schema.id, column, await freeRelationName(client, schema.id.schema, sequenceName(schema.id, column)));
}

/** A function, sequence, type or schema that an expression names is not in the target, or may not be used (PostgreSQL manual, Appendix A). */
function isMissingObject(sqlState: string): boolean {
  return ['42883', '42P01', '42704', '3F000', '42501', '0A000', '42804'].includes(sqlState);
}
