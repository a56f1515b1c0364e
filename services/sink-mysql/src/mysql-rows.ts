import { CHANGE, type ChangeLog } from '@millrace/apply/change-log.js';
import type { Refusal, RowTarget } from '@millrace/apply/row-by-row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { isRefusal } from './batch.js';
import { NotMysqlValue } from './literals.js';
import { deleteOf, type Literals, RowLiterals, rowOf, updateOf } from './row-literals.js';
import { serverFailureOf } from './server-failure.js';
import type { SinkSession } from './session.js';
import { firstWarning, refuseTooLong, write } from './statements.js';
import type { WritePlan } from './write-plan.js';

/** Changes one by one in MySQL, each as its own statement. */
export class MysqlRows implements RowTarget {
  private readonly literals = new RowLiterals();

  constructor(
    private readonly session: SinkSession,
    private readonly log: ChangeLog,
    private readonly plans: ReadonlyMap<TableVersion, WritePlan>,
  ) {}

  has(table: TableVersion): boolean {
    return this.plans.has(table);
  }

  async mark(): Promise<void> {
    await this.session.connection.query('SAVEPOINT millrace_row');
  }

  async keep(): Promise<void> {
    await this.session.connection.query('RELEASE SAVEPOINT millrace_row');
  }

  async undo(): Promise<void> {
    await this.session.connection.query('ROLLBACK TO SAVEPOINT millrace_row');
    await this.keep();
  }

  async apply(change: number): Promise<'applied' | 'missing'> {
    const plan = this.plan(change);
    switch (this.log.kinds.at(change)) {
      case CHANGE.insert:
        if (!(await this.insert(change))) throw new NotMysqlValue('the row lacks values');
        return 'applied';
      case CHANGE.update: {
        const after = this.newImage(plan, change) ?? [];
        return this.met(await this.write(plan, updateOf(plan, this.oldImage(plan, change) ?? after, after)));
      }
      case CHANGE.delete:
        return this.met(await this.write(plan, deleteOf(plan, this.oldImage(plan, change) ?? [])));
      default:
        throw new MillraceError('INTERNAL', { what: 'a truncation is no row' });
    }
  }

  async insert(change: number): Promise<boolean> {
    const plan = this.plan(change);
    const row = rowOf(plan, this.newImage(plan, change) ?? []);
    if (row === undefined) return false;
    await this.write(plan, plan.insertInto + row);
    return true;
  }

  async overwrite(change: number): Promise<'applied' | 'missing'> {
    const plan = this.plan(change);
    const after = this.newImage(plan, change) ?? [];
    return plan.key.length === 0 ? 'missing' : this.met(await this.write(plan, updateOf(plan, after, after)));
  }

  async truncate(tables: readonly TableVersion[]): Promise<void> {
    for (const table of tables) {
      const relation = this.plans.get(table)?.relation;
      if (relation !== undefined) await write(this.session.connection, `DELETE FROM ${relation}`);
    }
  }

  describeKey(change: number): string {
    const plan = this.plan(change);
    const literals = this.oldImage(plan, change) ?? this.newImage(plan, change) ?? [];
    return plan.key.length === 0
      ? 'no key'
      : plan.key.map(({ name, index }) => `${name}=${literals[index] ?? 'NULL'}`).join(', ');
  }

  refusalOf(error: unknown): Refusal | undefined {
    if (!isRefusal(error)) return undefined;
    const failure = serverFailureOf(error);
    const message = failure?.message ?? (error instanceof Error ? error.message : String(error));
    return { kind: failure?.kind === 'table' || failure?.kind === 'duplicate' ? failure.kind : 'data', message };
  }

  /** A value that the server would bend is refused in its words: strict mode rounds decimals and cuts spaces without an error. */
  private async write(plan: WritePlan, sql: string): Promise<number> {
    refuseTooLong(sql, this.session.maxPacketBytes, plan.version.source);
    const { rows, warnings } = await write(this.session.connection, sql);
    if (warnings > 0) throw new NotMysqlValue(await firstWarning(this.session.connection));
    return rows;
  }

  /** @throws MillraceError INTERNAL where one change would touch several rows */
  private met(rows: number): 'applied' | 'missing' {
    if (rows > 1) throw new MillraceError('INTERNAL', { what: `one change met ${rows} rows` });
    return rows === 1 ? 'applied' : 'missing';
  }

  private newImage(plan: WritePlan, change: number): Literals | undefined {
    const start = this.log.afterStarts.at(change);
    return start < 0 ? undefined : this.read(plan, change, start, this.log.afterEnds.at(change));
  }

  private oldImage(plan: WritePlan, change: number): Literals | undefined {
    const start = this.log.beforeStarts.at(change);
    return start < 0 ? undefined : this.read(plan, change, start, this.log.beforeEnds.at(change));
  }

  private read(plan: WritePlan, change: number, start: number, end: number): Literals {
    return this.literals.of(plan, this.log.buffer(this.log.sources.at(change)), start, end);
  }

  private plan(change: number): WritePlan {
    const plan = this.plans.get(this.log.version(change));
    if (plan === undefined) throw new MillraceError('INTERNAL', { what: 'a change applied alone has a plan' });
    return plan;
  }
}
