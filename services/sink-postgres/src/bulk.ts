import { Buffer } from 'node:buffer';
import { CHANGE, type ChangeLog } from '@millrace/apply/change-log.js';
import type { IntList } from '@millrace/apply/int-list.js';
import { type NetChanges, netChanges } from '@millrace/apply/net-changes.js';
import { RowList } from '@millrace/apply/row-list.js';
import { decodeRow, encodeRow } from '@millrace/codec/row-reader.js';
import type { WireType } from '@millrace/codec/wire-type.js';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { z } from 'zod';
import { isRefusal } from './apply-session.js';
import { CopyBinary } from './copy-binary.js';
import { parentsFirst } from './foreign-keys.js';
import type { Pipeline, PipelinedStatement } from './pipeline.js';
import { RowStatements } from './row-statements.js';
import {
  copyStatement,
  deleteReturningStatement,
  deleteStatement,
  insertStatement,
  type Statement,
  updateStatement,
} from './statements.js';
import { ArrayParameters } from './unnest.js';
import type { WritePlan } from './write-plan.js';

/** From so many rows on, COPY's longer way through the server is worth it. */
const COPY_ROWS = 64;

/** The bulk statements of this table did not do exactly what the changes say: only applying them one by one can judge why. */
export class BulkRefused extends Error {
  override readonly name = 'BulkRefused';

  constructor(
    readonly version: TableVersion,
    reason: string,
    options?: { readonly cause: unknown },
  ) {
    super(reason, options);
  }
}

/** A table's changes of one step. */
export interface TableChanges {
  readonly plan: WritePlan;
  readonly changes: IntList;
}

/** Where bulk statements go. */
export interface BulkTarget {
  readonly pipeline: Pipeline;
  readonly log: ChangeLog;
  readonly triggersOff: boolean;
}

/**
 * Applies the changes of several tables by as few statements as there can be: truncations, deletes, updates, inserts. Every
 * statement's row count is checked. Buffers are kept from group to group.
 */
export class Bulk {
  private readonly arrays = new ArrayParameters();
  private readonly copy = new CopyBinary();

  /**
   * Sends the statements: the pipeline's flush tells how they went.
   * @throws BulkRefused, here or by the flush; errors that say nothing about the data as they are
   */
  async apply({ pipeline, log, triggersOff }: BulkTarget, tables: readonly TableChanges[]): Promise<void> {
    const ordered = triggersOff ? tables : await byForeignKeys(await pipeline.client(), tables);
    const work = ordered.map(
      ({ plan, changes }) => new TableWork({ pipeline, log, plan, changes, arrays: this.arrays, copy: this.copy }),
    );
    truncate(pipeline, log, ordered);
    for (const table of work.toReversed()) await table.deletes();
    for (const table of work) await table.updates();
    for (const table of work) table.inserts();
  }
}

async function byForeignKeys(client: Client, tables: readonly TableChanges[]): Promise<readonly TableChanges[]> {
  const order = await parentsFirst(
    client,
    tables.map(({ plan }) => plan.table.oid),
  );
  return order.flatMap((oid) => tables.filter(({ plan }) => plan.table.oid === oid));
}

/** One statement, since foreign keys among the tables forbid truncating one alone; never beyond the tables that the source named. */
function truncate(pipeline: Pipeline, log: ChangeLog, tables: readonly TableChanges[]): void {
  const relations: string[] = [];
  let restartIdentity = false;
  for (const { plan, changes } of tables) {
    let isTruncated = false;
    for (let index = 0; index < changes.length; index++) {
      const change = changes.at(index);
      if (log.kinds.at(change) !== CHANGE.truncate) continue;
      isTruncated = true;
      restartIdentity ||= log.truncation(change).restartIdentity;
    }
    if (isTruncated) relations.push(plan.table.relation);
  }
  const [first] = tables;
  if (first === undefined || relations.length === 0) return;
  const failed = (error: unknown): unknown => bulkError(first.plan, error);
  pipeline.add({ text: truncateStatement(relations, restartIdentity), failed });
}

/** A refusal of the data is the bulk's; anything else stays what it is. */
function bulkError(plan: WritePlan, error: unknown): unknown {
  if (!isRefusal(error)) return error;
  return new BulkRefused(plan.version, error instanceof Error ? error.message : '', { cause: error });
}

export function truncateStatement(relations: readonly string[], restartIdentity: boolean): string {
  return `TRUNCATE ${relations.join(', ')}${restartIdentity ? ' RESTART IDENTITY' : ''}`;
}

interface TableWorkOptions extends TableChanges {
  readonly pipeline: Pipeline;
  readonly log: ChangeLog;
  readonly arrays: ArrayParameters;
  readonly copy: CopyBinary;
}

/** The statements of one table. */
class TableWork {
  private readonly net: NetChanges | undefined;

  constructor(private readonly options: TableWorkOptions) {
    const { log, plan, changes } = options;
    if (plan.key.length === 0) return;
    this.net = onlyInserts(log, changes) ?? netChanges(log, plan.layout, changes);
    if (this.net === undefined) throw new BulkRefused(plan.version, 'the changes contradict each other');
    if (plan.hasFurtherColumns && this.net.movesRows)
      throw new BulkRefused(plan.version, "a row with columns of the target's own moves");
  }

  async deletes(): Promise<void> {
    const { net } = this;
    if (net === undefined) return;
    const { plan } = this.options;
    this.bulk(deleteStatement(plan), net.deletes);
    if (net.moves.from.length > 0) await this.guarded(() => this.takeMoved(net));
  }

  async updates(): Promise<void> {
    const { net } = this;
    // The changes of a keyless table are in order only among themselves.
    if (net === undefined) return this.keyless();
    for (const { present, rows } of net.updates) this.bulk(updateStatement(this.options.plan, present), rows);
  }

  inserts(): void {
    if (this.net !== undefined) this.insert(this.net.inserts);
  }

  /** Moved rows whose images lack values: the deleted rows have them. They then count as inserts. */
  private async takeMoved(net: NetChanges): Promise<void> {
    const { pipeline, plan, log, arrays } = this.options;
    const client = await pipeline.client();
    const statement = deleteReturningStatement(plan);
    const { from, to } = net.moves;
    const values = arrays.encode(plan, statement, log, from);
    const { rows } = await client.query<unknown[]>({ text: statement.text, values, rowMode: 'array' });
    if (rows.length !== from.length) throw this.refused(`${rows.length} of ${from.length} moved rows were there`);
    const completed: Uint8Array[] = [];
    const lengths: number[] = [];
    for (const row of rows) {
      const [number, ...old] = returnedShape.parse(row);
      const at = number - 1;
      const image = decodeRow(plan.version, log.buffer(to.buffers.at(at)), to.starts.at(at), to.ends.at(at));
      const bytes = encodeRow(plan.version, completeRow(plan, image, old));
      completed.push(bytes);
      lengths.push(bytes.length);
    }
    const buffer = log.buffers.push(Buffer.concat(completed)) - 1;
    let start = 0;
    for (const length of lengths) {
      net.inserts.push(buffer, start, start + length);
      start += length;
    }
  }

  /** No collapse: updates and deletes one by one, each of one row, and the inserts between them together. */
  private async keyless(): Promise<void> {
    const { pipeline, plan, log, changes } = this.options;
    let inserts = new RowList();
    for (let index = afterTruncation(log, changes); index < changes.length; index++) {
      const change = changes.at(index);
      if (log.kinds.at(change) === CHANGE.insert) {
        inserts.push(log.sources.at(change), log.afterStarts.at(change), log.afterEnds.at(change));
        continue;
      }
      this.insert(inserts);
      inserts = new RowList();
      const statements = new RowStatements(await pipeline.client(), log);
      await this.guarded(async () => {
        if ((await statements.apply(plan, change)) === 'missing') throw this.refused('a row was not there');
      });
    }
    this.insert(inserts);
  }

  private insert(rows: RowList): void {
    const { plan, log, copy } = this.options;
    if (!plan.canCopy || rows.length < COPY_ROWS) this.bulk(insertStatement(plan), rows);
    else this.send(rows, () => ({ text: copyStatement(plan), input: copy.encode(plan, log, rows) }));
  }

  private bulk(statement: Statement, rows: RowList): void {
    if (rows.length === 0) return;
    const { plan, log, arrays } = this.options;
    if (statement.parameters.length === 0) throw this.refused('there is no column to write');
    this.send(rows, () => ({ text: statement.text, values: arrays.encode(plan, statement, log, rows) }));
  }

  private send(rows: RowList, encode: () => Pick<PipelinedStatement, 'text' | 'values' | 'input'>): void {
    const { pipeline, plan } = this.options;
    try {
      pipeline.add({
        ...encode(),
        wrote: (count) => this.check(count, rows),
        failed: (error) => bulkError(plan, error),
      });
    } catch (error) {
      throw bulkError(plan, error);
    }
  }

  private check(met: number, rows: RowList): void {
    if (met !== rows.length) throw this.refused(`${met} rows were met instead of ${rows.length}`);
  }

  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw bulkError(this.options.plan, error);
    }
  }

  private refused(reason: string): BulkRefused {
    return new BulkRefused(this.options.plan.version, reason);
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

const returnedShape = z.tuple([z.number()]).rest(z.string().nullable());

/** The image with what it does not carry from the deleted row, whose written columns are given as text. */
function completeRow(plan: WritePlan, image: Row, old: readonly (string | null)[]): Row {
  const complete = [...image];
  plan.written.forEach((column, index) => {
    if (complete[column.index] === UNCHANGED) complete[column.index] = valueOfText(old[index] ?? null, column.wire);
  });
  return complete;
}

function valueOfText(text: string | null, wire: WireType): Value {
  if (text === null) return null;
  switch (wire) {
    case 'string':
      return text;
    case 'int':
    case 'float':
    case 'double':
      return Number(text);
    case 'long':
      return BigInt(text);
    case 'boolean':
      return text === 'true';
    case 'bytes':
      return Buffer.from(text.slice(2), 'hex');
    default:
      return assertNever(wire);
  }
}
