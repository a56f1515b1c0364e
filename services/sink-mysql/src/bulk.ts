import type { Buffer } from 'node:buffer';
import { CHANGE, type ChangeLog } from '@millrace/apply/change-log.js';
import type { IntList } from '@millrace/apply/int-list.js';
import { type NetChanges, netChanges } from '@millrace/apply/net-changes.js';
import { RowList } from '@millrace/apply/row-list.js';
import { type Batch, BulkRefused, isRefusal } from './batch.js';
import { deleteOf, deletesOf, type Literals, RowLiterals, rowOf, updateOf, updatesOf } from './row-literals.js';
import type { WritePlan } from './write-plan.js';

/** Keys of one DELETE: the range optimizer of either engine takes so many without a second thought. */
const KEYS_PER_DELETE = 500;
const ROWS_PER_INSERT = 2_000;
/** The server looks for each row's values among them: more of them take longer, fewer are more statements. */
const ROWS_PER_UPDATE = 64;

/** A table's changes of one step. */
export interface TableChanges {
  readonly plan: WritePlan;
  readonly changes: IntList;
}

/**
 * Applies the changes of several tables by as few statements and packets as there can be: truncations, deletes, updates, inserts. Every
 * statement's row count is checked.
 * @throws BulkRefused; errors that say nothing about the data as they are
 */
export async function applyBulk(batch: Batch, log: ChangeLog, tables: readonly TableChanges[]): Promise<void> {
  const work = tables.map(({ plan, changes }) => new TableWork(batch, log, plan, changes));
  for (const table of work) await table.truncate();
  for (const table of work) await table.deletes();
  for (const table of work) await table.updates();
  for (const table of work) await table.inserts();
  await batch.flush();
}

/** The statements of one table. */
class TableWork {
  private readonly net: NetChanges | undefined;
  private readonly literals = new RowLiterals();

  constructor(
    private readonly batch: Batch,
    private readonly log: ChangeLog,
    private readonly plan: WritePlan,
    private readonly changes: IntList,
  ) {
    if (plan.key.length === 0) return;
    this.net = onlyInserts(log, changes) ?? netChanges(log, plan.layout, changes);
    if (this.net === undefined) throw this.refused('the changes contradict each other');
    if (plan.hasFurtherColumns && this.net.movesRows) throw this.refused("a row with columns of the target's own moves");
    if (this.net.moves.from.length > 0) throw this.refused('a row moves whose image lacks values');
  }

  /**
   * TRUNCATE would commit what is before it. DELETE is part of the transaction, and its count is whatever was there, which nobody checks.
   */
  async truncate(): Promise<void> {
    const { log, changes, batch, plan } = this;
    for (let index = 0; index < changes.length; index++) {
      if (log.kinds.at(changes.at(index)) !== CHANGE.truncate) continue;
      await batch.clear(plan.relation, plan.version);
      return;
    }
  }

  async deletes(): Promise<void> {
    if (this.net !== undefined) await this.together(this.net.deletes, KEYS_PER_DELETE, (rows) => deletesOf(this.plan, rows));
  }

  async updates(): Promise<void> {
    const { net, plan } = this;
    // The changes of a keyless table are in order only among themselves.
    if (net === undefined) return this.keyless();
    for (const { rows: list } of net.updates) await this.together(list, ROWS_PER_UPDATE, (rows) => updatesOf(plan, rows));
  }

  async inserts(): Promise<void> {
    if (this.net !== undefined) await this.insert(this.net.inserts);
  }

  /** No collapse: one after the other, and the inserts between them together. */
  private async keyless(): Promise<void> {
    const { log, plan, changes } = this;
    let inserts = new RowList();
    for (let index = afterTruncation(log, changes); index < changes.length; index++) {
      const change = changes.at(index);
      const source = log.sources.at(change);
      if (log.kinds.at(change) === CHANGE.insert) {
        inserts.push(source, log.afterStarts.at(change), log.afterEnds.at(change));
        continue;
      }
      await this.insert(inserts);
      inserts = new RowList();
      const bytes = log.buffer(source);
      if (log.beforeStarts.at(change) < 0) throw this.refused('a change of a table without a key has no old image');
      const before = this.read(bytes, log.beforeStarts.at(change), log.beforeEnds.at(change));
      const sql =
        log.kinds.at(change) === CHANGE.delete
          ? deleteOf(plan, before)
          : updateOf(plan, before, this.read(bytes, log.afterStarts.at(change), log.afterEnds.at(change)));
      await this.batch.add(sql, 1, plan.version);
    }
    await this.insert(inserts);
  }

  private insert(list: RowList): Promise<void> {
    const { plan } = this;
    return this.together(list, ROWS_PER_INSERT, (rows) => {
      const values = rows.map((row) => rowOf(plan, row));
      if (values.includes(undefined)) throw this.refused('an inserted row lacks values');
      return plan.insertInto + values.join(', ');
    });
  }

  /** Rows of a list as statements of so many at most, none of them long. */
  private async together(list: RowList, atOnce: number, statement: (rows: readonly Literals[]) => string): Promise<void> {
    const { batch, plan } = this;
    let rows: Literals[] = [];
    let units = 0;
    const send = async (): Promise<void> => {
      if (rows.length > 0) await batch.add(statement(rows), rows.length, plan.version);
      rows = [];
      units = 0;
    };
    await this.forEach(list, async (row) => {
      const length = row.reduce((sum, literal) => sum + (literal?.length ?? 0), 0);
      if (units + length > batch.statementUnits) await send();
      rows.push(row);
      units += length;
      if (rows.length >= atOnce) await send();
    });
    await send();
  }

  private async forEach(list: RowList, act: (row: Literals) => Promise<void>): Promise<void> {
    for (let index = 0; index < list.length; index++)
      await act(this.read(this.log.buffer(list.buffers.at(index)), list.starts.at(index), list.ends.at(index)));
  }

  private read(bytes: Buffer, start: number, end: number): Literals {
    try {
      return this.literals.of(this.plan, bytes, start, end);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw this.refused(error instanceof Error ? error.message : String(error));
    }
  }

  private refused(reason: string): BulkRefused {
    return new BulkRefused(new Set([this.plan.version]), reason);
  }
}

/** Inserts alone collapse to themselves, without a look at their keys: two of one key the target refuses. */
function onlyInserts(log: ChangeLog, changes: IntList): NetChanges | undefined {
  for (let index = 0; index < changes.length; index++) {
    if (log.kinds.at(changes.at(index)) !== CHANGE.insert) return undefined;
  }
  const inserts = new RowList();
  for (let index = 0; index < changes.length; index++) {
    const change = changes.at(index);
    inserts.push(log.sources.at(change), log.afterStarts.at(change), log.afterEnds.at(change));
  }
  const none = new RowList();
  return { truncate: false, deletes: none, updates: [], inserts, moves: { from: none, to: none }, movesRows: false };
}

/** Index of the first change that no truncation undoes. */
function afterTruncation(log: ChangeLog, changes: IntList): number {
  for (let index = changes.length - 1; index >= 0; index--) {
    if (log.kinds.at(changes.at(index)) === CHANGE.truncate) return index + 1;
  }
  return 0;
}
