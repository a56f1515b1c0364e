import type { ChangeLog } from '@millrace/apply/change-log.js';
import type { Refusal, RowTarget } from '@millrace/apply/row-by-row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { isRefusal } from './apply-session.js';
import { truncateStatement } from './bulk.js';
import { RowStatements } from './row-statements.js';
import { serverFailureOf } from './sql-state.js';
import type { WritePlan } from './write-plan.js';

/** Changes one by one in PostgreSQL, each as its own statement. */
export class PostgresRows implements RowTarget {
  private readonly statements: RowStatements;

  constructor(
    private readonly client: Client,
    private readonly log: ChangeLog,
    private readonly plans: ReadonlyMap<TableVersion, WritePlan>,
  ) {
    this.statements = new RowStatements(client, log);
  }

  has(table: TableVersion): boolean {
    return this.plans.has(table);
  }

  async mark(): Promise<void> {
    await this.client.query('SAVEPOINT millrace_row');
  }

  async keep(): Promise<void> {
    await this.client.query('RELEASE SAVEPOINT millrace_row');
  }

  async undo(): Promise<void> {
    await this.client.query('ROLLBACK TO SAVEPOINT millrace_row; RELEASE SAVEPOINT millrace_row');
  }

  apply(change: number): Promise<'applied' | 'missing'> {
    return this.statements.apply(this.plan(change), change);
  }

  insert(change: number): Promise<boolean> {
    return this.statements.insert(this.plan(change), change);
  }

  overwrite(change: number): Promise<'applied' | 'missing'> {
    return this.statements.overwrite(this.plan(change), change);
  }

  async truncate(tables: readonly TableVersion[], restartIdentity: boolean): Promise<void> {
    const relations = tables.flatMap((table) => this.plans.get(table)?.table.relation ?? []);
    await this.client.query(truncateStatement(relations, restartIdentity));
  }

  describeKey(change: number): string {
    return this.statements.describeKey(this.plan(change), change);
  }

  refusalOf(error: unknown): Refusal | undefined {
    if (!isRefusal(error)) return undefined;
    const failure = serverFailureOf(error);
    const message = failure?.message ?? (error instanceof Error ? error.message : String(error));
    return { kind: failure?.kind === 'table' || failure?.kind === 'duplicate' ? failure.kind : 'data', message };
  }

  private plan(change: number): WritePlan {
    const plan = this.plans.get(this.log.version(change));
    if (plan === undefined) throw new MillraceError('INTERNAL', { what: 'a change applied alone has a plan' });
    return plan;
  }
}
