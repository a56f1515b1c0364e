import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteLiteral, quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { type AlterStep, planColumns, planNames } from './alter-plan.js';
import { columnClause } from './create-table.js';
import { renameLabels } from './enum-labels.js';
import { advanceSequence, buildPrimaryKey } from './finish-load.js';
import { collationsOf, createDefaults, createWhole } from './prepare.js';
import { readPresentTable } from './present-table.js';
import { inSavepoint } from './savepoint.js';
import { serverFailureOf } from './sql-state.js';
import { findTable, isEmpty } from './target-relation.js';
import { targetSchema } from './target-schema.js';
import { createTypes, missingTypes } from './target-types.js';
import { typeMismatch } from './type-compatibility.js';

export interface Altered {
  /** Steps done; 0 where the target was there already. */
  readonly statements: number;
  /** What could not be made as in the source and makes no difference to the rows: defaults, collations. */
  readonly findings: readonly Finding[];
}

/** Runs work on a second session, outside the transaction. */
export type Aside = (work: (client: Client) => Promise<void>) => Promise<void>;

/**
 * Takes the target table from one version to the next, its rows included, inside the caller's transaction. `earlier` null: the table is new
 * and is made with its key, unless it is there; `later` null: it is dropped. Steps that the catalogue shows as done are left out; a name
 * that means another column in the new version cannot show that, so the caller records the version in the same transaction.
 * On an error the transaction is as it was before the call.
 *
 * A new enum label can be used only once it is committed, so schemas, types and labels are made `aside`; without it, in the transaction,
 * for callers that write no rows in it.
 * @throws MillraceError ALTER_REFUSED where the target does not take a step; server errors that are not the table's (connection, lock, rights)
 */
export async function alterTable(
  client: Client,
  earlier: TableSchema | null,
  later: TableSchema | null,
  aside?: Aside,
): Promise<Altered> {
  const from = earlier === null ? null : targetSchema(earlier);
  const to = later === null ? null : targetSchema(later);
  const named = to ?? from;
  if (named === null) return { statements: 0, findings: [] };
  const alteration = new Alteration(client);
  try {
    if (to !== null && aside !== undefined && (await missingTypes(client, to, from)).length > 0) {
      alteration.step = 'CREATE TYPE';
      await aside(async (other) => void (await createTypes(other, to, from)));
    }
    await inSavepoint(client, async () => {
      if (to === null) await alteration.drop(named);
      else if (from === null) await alteration.create(to);
      else await alteration.follow(from, to);
    });
    return { statements: alteration.statements, findings: alteration.findings };
  } catch (error) {
    const failure = serverFailureOf(error);
    if (failure === undefined || !['table', 'data', 'duplicate'].includes(failure.kind)) throw error;
    const details = { table: displayTable(named.id), step: alteration.step, reason: failure.message, state: failure.sqlState };
    throw new MillraceError('ALTER_REFUSED', details, { cause: error });
  }
}

class Alteration {
  statements = 0;
  readonly findings: Finding[] = [];
  /** The statement under way, for messages. */
  step = '';

  constructor(private readonly client: Client) {}

  async drop(schema: TableSchema): Promise<void> {
    if ((await findTable(this.client, schema.id)) !== null) await this.run(`DROP TABLE ${quoteTable(schema.id)}`);
  }

  async create(schema: TableSchema): Promise<void> {
    this.statements += await createTypes(this.client, schema, null);
    // A table that is there is used as it is.
    if ((await findTable(this.client, schema.id)) !== null) return;
    this.step = 'CREATE TABLE';
    this.findings.push(...(await createWhole(this.client, schema)));
    this.statements++;
    this.step = 'ADD PRIMARY KEY';
    if (await buildPrimaryKey(this.client, schema)) this.statements++;
  }

  async follow(from: TableSchema, to: TableSchema): Promise<void> {
    const { client } = this;
    for (const statement of renameLabels(from, to)) await this.runWhereNeeded(statement);
    this.step = 'CREATE TYPE';
    this.statements += await createTypes(client, to, from);
    await this.renameTable(from, to);
    const oid = await findTable(client, to.id);
    // Somebody has dropped it: made again it would miss its rows.
    if (oid === null)
      throw new MillraceError('ALTER_REFUSED', {
        table: displayTable(to.id),
        step: 'ALTER TABLE',
        reason: 'the table is not there',
        state: '42P01',
      });
    if (!(await isEmpty(client, to.id))) {
      refuseUnknownValues(from, to);
      refuseChangedTypes(from, to);
    }
    for (const step of planNames(from, to, await readPresentTable(client, oid))) await this.do(step, to);
    const steps = planColumns(
      from,
      to,
      await readPresentTable(client, oid),
      (column, target) => typeMismatch(column, target) === null,
    );
    for (const step of steps) await this.do(step, to);
  }

  private async renameTable(from: TableSchema, to: TableSchema): Promise<void> {
    if (from.id.schema === to.id.schema && from.id.table === to.id.table) return;
    if ((await findTable(this.client, from.id)) === null) return;
    let { id } = from;
    if (id.schema !== to.id.schema) {
      await this.run(`ALTER TABLE ${quoteTable(id)} SET SCHEMA ${quoteIdentifier(to.id.schema)}`);
      id = { ...id, schema: to.id.schema };
    }
    if (id.table !== to.id.table) await this.run(`ALTER TABLE ${quoteTable(id)} RENAME TO ${quoteIdentifier(to.id.table)}`);
  }

  private async do(step: AlterStep, schema: TableSchema): Promise<void> {
    switch (step.do) {
      case 'drop-key':
        return await this.alter(schema, `DROP CONSTRAINT ${quoteIdentifier(step.constraint)}`);
      case 'drop-column':
        return await this.alter(schema, `DROP COLUMN ${quoteIdentifier(step.column)}`);
      case 'rename-column':
        return await this.alter(schema, `RENAME COLUMN ${quoteIdentifier(step.from)} TO ${quoteIdentifier(step.to)}`);
      case 'drop-expression':
        return await this.alterColumn(schema, step.column, 'DROP EXPRESSION');
      case 'drop-default':
        return await this.alterColumn(schema, step.column, 'DROP DEFAULT');
      case 'drop-identity':
        return await this.alterColumn(schema, step.column, 'DROP IDENTITY');
      case 'drop-not-null':
        return await this.alterColumn(schema, step.column, 'DROP NOT NULL');
      case 'set-not-null':
        return await this.alterColumn(schema, step.column, 'SET NOT NULL');
      case 'retype':
        return await this.retype(schema, step.column);
      case 'add-column':
        return await this.addColumn(schema, step.column);
      case 'set-default':
        this.findings.push(...(await createDefaults(this.client, schema, [step.column])));
        this.statements++;
        return;
      case 'add-identity':
        await this.dropOwnedSequences(schema, step.column);
        await this.alterColumn(schema, step.column.name, `ADD ${identityClause(step.column)}`);
        return await advanceSequence(this.client, schema.id, step.column.name);
      case 'set-identity':
        return await this.alterColumn(schema, step.column.name, `SET ${identityClause(step.column).replace(' AS IDENTITY', '')}`);
      case 'add-key':
        this.step = 'ADD PRIMARY KEY';
        await buildPrimaryKey(this.client, schema);
        this.statements++;
        return;
      default:
        return assertNever(step);
    }
  }

  /** Rows that are there show the value that they show in the source, whatever the default is by now. */
  private async addColumn(schema: TableSchema, column: ColumnSchema): Promise<void> {
    const { hasCollation, findings } = await collationsOf(this.client, { ...schema, columns: [column] });
    this.findings.push(...findings);
    const { missingValue } = column;
    const shown = missingValue === null ? '' : ` DEFAULT ${quoteLiteral(missingValue)}::${column.native.declaration}`;
    await this.alter(schema, `ADD COLUMN ${columnClause(column, hasCollation)}${shown}`);
    if (missingValue !== null) await this.alterColumn(schema, column.name, 'DROP DEFAULT');
  }

  /** By the cast that PostgreSQL has for it, else over the text, which says the same in both types (an enum made anew). */
  private async retype(schema: TableSchema, column: ColumnSchema): Promise<void> {
    const name = quoteIdentifier(column.name);
    const { declaration } = column.native;
    const { hasCollation, findings } = await collationsOf(this.client, { ...schema, columns: [column] });
    this.findings.push(...findings);
    const collate = column.collation !== null && hasCollation(column.collation) ? ` COLLATE ${column.collation}` : '';
    const retype = (value: string): Promise<void> =>
      this.alterColumn(schema, column.name, `TYPE ${declaration}${collate} USING ${value}::${declaration}`);
    try {
      await inSavepoint(this.client, () => retype(name));
    } catch (error) {
      // cannot_coerce
      if (serverFailureOf(error)?.sqlState !== '42846') throw error;
      await retype(`${name}::pg_catalog.text`);
    }
  }

  /** A serial column that becomes an identity column gives its sequence up. */
  private async dropOwnedSequences(schema: TableSchema, column: ColumnSchema): Promise<void> {
    const { rows } = await this.client.query<{ sequence: string }>(
      `SELECT d.objid::regclass::text AS sequence FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
       JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
       WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a' AND a.attrelid = $1::regclass AND a.attname = $2`,
      [quoteTable(schema.id), column.name],
    );
    for (const { sequence } of rows) await this.run(`DROP SEQUENCE ${sequence}`);
  }

  /** A label that the target does not have under its old name was renamed there already. */
  private async runWhereNeeded(statement: string): Promise<void> {
    try {
      await inSavepoint(this.client, () => this.run(statement));
    } catch (error) {
      if (serverFailureOf(error)?.sqlState !== '22023') throw error;
    }
  }

  private alterColumn(schema: TableSchema, column: string, action: string): Promise<void> {
    return this.alter(schema, `ALTER COLUMN ${quoteIdentifier(column)} ${action}`);
  }

  private alter(schema: TableSchema, action: string): Promise<void> {
    return this.run(`ALTER TABLE ${quoteTable(schema.id)} ${action}`);
  }

  private async run(statement: string): Promise<void> {
    this.step = statement;
    await this.client.query(statement);
    this.statements++;
  }
}

function identityClause({ identity }: ColumnSchema): string {
  return identity === 'always' ? 'GENERATED ALWAYS AS IDENTITY' : 'GENERATED BY DEFAULT AS IDENTITY';
}

/**
 * A column that was added with a value for the rows before it, told of only after rows had been written with it: which of the target's
 * nulls are those rows' own cannot be told any more.
 */
function refuseUnknownValues(from: TableSchema, to: TableSchema): void {
  for (const after of to.columns) {
    const before = from.columns.find(({ ordinal }) => ordinal === after.ordinal);
    if (before === undefined || before.missingValue !== null || after.missingValue === null) continue;
    const step = `ADD COLUMN ${quoteIdentifier(after.name)} DEFAULT ${after.missingValue}`;
    throw new MillraceError('ALTER_REFUSED', {
      table: displayTable(to.id),
      step,
      reason: 'the value of the rows from before came too late',
      state: '0A000',
    });
  }
}

/** What a type of the user's holds by now cannot be read from its rows, and other tables of the target may use it. */
function refuseChangedTypes(from: TableSchema, to: TableSchema): void {
  for (const type of to.types) {
    const before = from.types.find(({ schema, name }) => schema === type.schema && name === type.name);
    if (before === undefined || type.kind === 'enum' || before.create === type.create) continue;
    const reason = `the ${type.kind} ${type.schema}.${type.name} changed in the source, which has to be done in the target by hand`;
    throw new MillraceError('ALTER_REFUSED', { table: displayTable(to.id), step: type.create, reason, state: '0A000' });
  }
}
