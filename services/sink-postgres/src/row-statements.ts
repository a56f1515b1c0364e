import { CHANGE, type ChangeLog } from '@millrace/apply/change-log.js';
import { skipValue } from '@millrace/apply/image-layout.js';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { execute } from './apply-session.js';
import { textOf } from './binary-fields.js';
import { overriding } from './statements.js';
import type { PlannedColumn, WritePlan } from './write-plan.js';

/** By index in the image; undefined: the image does not carry the column. */
type Texts = readonly (string | null | undefined)[];

/**
 * Applies single changes, in their own order, values as text that the server itself reads. Errors of the server are thrown as they
 * are.
 */
export class RowStatements {
  private readonly reader = new ImageReader();

  constructor(
    private readonly client: Client,
    private readonly log: ChangeLog,
  ) {}

  /** 'missing': an update or a delete met no row. */
  async apply(plan: WritePlan, change: number): Promise<'applied' | 'missing'> {
    switch (this.log.kinds.at(change)) {
      case CHANGE.insert:
        await this.insert(plan, change);
        return 'applied';
      case CHANGE.update:
        return this.update(plan, change);
      case CHANGE.delete:
        return this.met(await this.delete(plan, change));
      default:
        throw new MillraceError('INTERNAL', { what: 'a truncation is no row' });
    }
  }

  /** Inserts the change's new image. Returns false where it lacks values. */
  async insert(plan: WritePlan, change: number): Promise<boolean> {
    const after = this.newImage(plan, change);
    if (plan.written.some((column) => after[column.index] === undefined)) return false;
    await this.insertTexts(plan, after);
    return true;
  }

  /** Writes an insert's image over the row with its key. */
  async overwrite(plan: WritePlan, change: number): Promise<'applied' | 'missing'> {
    if (plan.key.length === 0) return 'missing';
    const after = this.newImage(plan, change);
    return this.set(plan, after, after);
  }

  /** The change's key, for messages: `id=7`. */
  describeKey(plan: WritePlan, change: number): string {
    const texts = this.oldImage(plan, change) ?? this.newImage(plan, change);
    if (plan.key.length === 0) return 'no key';
    return plan.key.map((column) => `${column.name}=${texts[column.index] ?? 'null'}`).join(', ');
  }

  private async update(plan: WritePlan, change: number): Promise<'applied' | 'missing'> {
    const after = this.newImage(plan, change);
    const before = this.oldImage(plan, change) ?? after;
    if (plan.key.length === 0) return this.updateKeyless(plan, before, after);
    const result = plan.key.some((column) => column.identityAlways && isChanged(column, before, after))
      ? 'missing'
      : await this.set(plan, before, after);
    const needsReplacing = plan.written.some((column) => column.identityAlways && after[column.index] !== undefined);
    return result === 'missing' && needsReplacing ? this.replace(plan, before, after) : result;
  }

  private async set(plan: WritePlan, before: Texts, after: Texts): Promise<'applied' | 'missing'> {
    const carried = plan.written.filter((column) => after[column.index] !== undefined);
    const changed = carried.filter((column) => !column.identityAlways && (!column.isKey || isChanged(column, before, after)));
    const fixed = carried.filter((column) => column.identityAlways && !column.isKey);
    const parameters = new Parameters();
    const set = changed.map((column) => `${column.sql} = ${parameters.add(column, after)}`);
    const where = plan.key.map((column) => `${column.compared} ${column.equals} ${parameters.add(column, before)}`);
    const same = fixed.map((column) => `t.${column.sql} IS NOT DISTINCT FROM ${parameters.add(column, after)}`);
    const condition = [...where, ...same].join(' AND ');
    const { relation } = plan.table;
    const text =
      set.length > 0
        ? `UPDATE ${relation} AS t SET ${set.join(', ')} WHERE ${condition}`
        : `SELECT FROM ${relation} AS t WHERE ${condition}`;
    return this.met(await this.run(text, parameters));
  }

  /** A column that no UPDATE can set has another value: the row is deleted and inserted with it. */
  private async replace(plan: WritePlan, before: Texts, after: Texts): Promise<'applied' | 'missing'> {
    if (plan.hasFurtherColumns) return 'missing';
    const parameters = new Parameters();
    const where = plan.key.map((column) => `${column.compared} ${column.equals} ${parameters.add(column, before)}`).join(' AND ');
    const returning = plan.written.map((column) => `t.${column.sql}::pg_catalog.text`).join(', ');
    const text = `DELETE FROM ${plan.table.relation} AS t WHERE ${where} RETURNING ${returning}`;
    const { rows } = await this.client.query<(string | null)[]>({ text, values: parameters.values, rowMode: 'array' });
    const [old] = rows;
    if (old === undefined) return 'missing';
    const complete: (string | null | undefined)[] = [...after];
    plan.written.forEach((column, index) => {
      complete[column.index] ??= after[column.index] === null ? null : old[index];
    });
    await this.insertTexts(plan, complete);
    return 'applied';
  }

  private delete(plan: WritePlan, change: number): Promise<number> {
    const before = this.oldImage(plan, change) ?? [];
    const parameters = new Parameters();
    if (plan.key.length === 0) {
      return this.run(
        `DELETE FROM ${plan.table.relation} AS t USING (${oneRow(plan, before, parameters)}) AS m WHERE t.ctid = m.ctid AND t.tableoid = m.tableoid`,
        parameters,
      );
    }
    const where = plan.key.map((column) => `${column.compared} ${column.equals} ${parameters.add(column, before)}`).join(' AND ');
    return this.run(`DELETE FROM ${plan.table.relation} AS t WHERE ${where}`, parameters);
  }

  private async updateKeyless(plan: WritePlan, before: Texts, after: Texts): Promise<'applied' | 'missing'> {
    const parameters = new Parameters();
    const set = plan.written
      .filter((column) => after[column.index] !== undefined)
      .map((column) => `${column.sql} = ${parameters.add(column, after)}`);
    const found = oneRow(plan, before, parameters);
    const { relation } = plan.table;
    if (set.length === 0) return this.met(await this.run(found, parameters));
    const text = `UPDATE ${relation} AS t SET ${set.join(', ')} FROM (${found}) AS m WHERE t.ctid = m.ctid AND t.tableoid = m.tableoid`;
    return this.met(await this.run(text, parameters));
  }

  private async insertTexts(plan: WritePlan, texts: Texts): Promise<void> {
    const parameters = new Parameters();
    const { relation } = plan.table;
    if (plan.written.length === 0) {
      await this.run(`INSERT INTO ${relation} DEFAULT VALUES`, parameters);
      return;
    }
    const values = plan.written.map((column) => parameters.add(column, texts));
    await this.run(
      `INSERT INTO ${relation} (${plan.written.map(({ sql }) => sql).join(', ')})${overriding(plan)} VALUES (${values.join(', ')})`,
      parameters,
    );
  }

  private async run(text: string, parameters: Parameters): Promise<number> {
    const { rowCount } = await execute(this.client, text, parameters.values);
    return rowCount ?? 0;
  }

  /** @throws MillraceError INTERNAL where one change would touch several rows */
  private met(rows: number): 'applied' | 'missing' {
    if (rows > 1) throw new MillraceError('INTERNAL', { what: `one change met ${rows} rows` });
    return rows === 1 ? 'applied' : 'missing';
  }

  private newImage(plan: WritePlan, change: number): Texts {
    const { log } = this;
    const start = log.afterStarts.at(change);
    return start < 0 ? [] : this.texts(plan, log.sources.at(change), start, log.afterEnds.at(change));
  }

  private oldImage(plan: WritePlan, change: number): Texts | undefined {
    const { log } = this;
    const start = log.beforeStarts.at(change);
    return start < 0 ? undefined : this.texts(plan, log.sources.at(change), start, log.beforeEnds.at(change));
  }

  private texts(plan: WritePlan, buffer: number, start: number, end: number): Texts {
    const { reader } = this;
    reader.open(plan.version, this.log.buffer(buffer), start, end);
    return plan.columns.map((column, index) => {
      const state = reader.next();
      if (state === COLUMN.null) return null;
      if (state === COLUMN.unchanged) return undefined;
      if (column !== null) return textOf(reader, column.wire);
      skipValue(reader, plan.layout.wires[index] ?? 'string');
      return undefined;
    });
  }
}

class Parameters {
  readonly values: (string | null)[] = [];

  /** The column's text as a value of its type. */
  add(column: PlannedColumn, texts: Texts): string {
    this.values.push(texts[column.index] ?? null);
    return `$${this.values.length}::${column.type}`;
  }
}

function isChanged(column: PlannedColumn, before: Texts, after: Texts): boolean {
  const value = after[column.index];
  return value !== undefined && value !== before[column.index];
}

/** Finds one row by all the values of an old image; of equal rows any one, since they are the same. */
function oneRow(plan: WritePlan, before: Texts, parameters: Parameters): string {
  const conditions = plan.written.flatMap((column) => {
    const value = before[column.index];
    if (value === undefined) return [];
    // Of a composite, IS NULL would also find a row of nulls.
    if (value === null) return [column.isComposite ? `t.${column.sql} IS NOT DISTINCT FROM NULL` : `t.${column.sql} IS NULL`];
    const parameter = parameters.add(column, before);
    if (column.exactEquality) return [`${column.compared} ${column.equals} ${parameter}`];
    // Equal is not the same, or not defined, for these types: their texts decide.
    return [`t.${column.sql}::pg_catalog.text OPERATOR(pg_catalog.=) (${parameter})::pg_catalog.text COLLATE "C"`];
  });
  return `SELECT t.tableoid, t.ctid FROM ${plan.table.relation} AS t${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`} LIMIT 1`;
}
