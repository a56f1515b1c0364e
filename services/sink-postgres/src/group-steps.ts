import { comparePositions } from '@millrace/codec/position.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { Position } from '@millrace/contract/position.js';
import type { Coverage } from '@millrace/contract/sink.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { CHANGE, type ChangeLog } from './change-log.js';
import { IntList } from './int-list.js';

/** Changes that may be reordered among tables, since no schema changes between them. Indexes into the log, ascending. */
export interface RowsStep {
  readonly kind: 'rows';
  /** By table version, truncations included in each table that they name. */
  readonly tables: ReadonlyMap<TableVersion, IntList>;
  /** All of them, each once. */
  readonly changes: IntList;
  readonly truncates: boolean;
}

export type Step = RowsStep | { readonly kind: 'schema'; readonly change: number };

export interface StepOptions {
  readonly coverage: (source: TableId) => Coverage | null;
  /** Position before the first change. */
  readonly from: Position | null;
  /** Position of changes whose Commit is not in the log; null: not known, a load that might hold them is taken to do so. */
  readonly end: Position | null;
}

/**
 * Cuts the log into steps to be applied one after the other: a Schema event is a barrier, and so is another version of a table
 * that the step has already (two source tables that share a target table included). Changes that the loaded rows hold already
 * are left out.
 */
export function stepsOf(log: ChangeLog, options: StepOptions): readonly Step[] {
  return new Cutter(log, options).cut();
}

/** True: the loaded rows hold everything at this position. A later timeline's positions lie beyond the fork that it began with. */
export function isCovered(position: Position, asOf: Position): boolean {
  if (position.source === asOf.source && position.timeline > asOf.timeline) return false;
  return comparePositions(position, asOf) <= 0;
}

interface OpenStep {
  readonly tables: Map<TableVersion, IntList>;
  readonly targets: Map<string, TableVersion>;
  readonly changes: IntList;
  truncates: boolean;
}

class Cutter {
  private readonly steps: Step[] = [];
  private open: OpenStep = newStep();
  /** Null: apply everything. */
  private readonly asOf = new Map<TableVersion, Position | null>();

  constructor(
    private readonly log: ChangeLog,
    private readonly options: StepOptions,
  ) {}

  cut(): readonly Step[] {
    const { log } = this;
    for (let change = 0; change < log.length; change++) {
      const kind = log.kinds.at(change);
      if (kind === CHANGE.schema) this.schema(change);
      else if (kind === CHANGE.truncate) this.truncate(change);
      else this.row(change);
    }
    this.close();
    return this.steps;
  }

  private row(change: number): void {
    const version = this.log.version(change);
    if (this.covers(version, change)) return;
    this.listOf(version).push(change);
    this.open.changes.push(change);
  }

  private truncate(change: number): void {
    const tables = this.log.truncation(change).tables.filter((version) => !this.covers(version, change));
    if (tables.length === 0) return;
    // All of them in one step: they are truncated by one statement.
    if (tables.some((version) => this.clashes(version))) this.close();
    for (const version of tables) this.listOf(version).push(change);
    this.open.changes.push(change);
    this.open.truncates = true;
  }

  private schema(change: number): void {
    const { table, change: what } = this.log.schemaStep(change);
    // A load is asked for anew whatever an earlier one covered.
    if (what.kind !== 'load' && this.covers(table, change)) return;
    this.close();
    this.steps.push({ kind: 'schema', change });
  }

  private close(): void {
    const { tables, changes, truncates } = this.open;
    if (changes.length > 0) this.steps.push({ kind: 'rows', tables, changes, truncates });
    this.open = newStep();
  }

  private lastVersion: TableVersion | undefined;
  private lastList: IntList | undefined;
  private lastStep: OpenStep | undefined;

  private listOf(version: TableVersion): IntList {
    if (version === this.lastVersion && this.lastStep === this.open && this.lastList !== undefined) return this.lastList;
    if (this.clashes(version)) this.close();
    const { tables, targets } = this.open;
    let list = tables.get(version);
    if (list === undefined) {
      list = new IntList();
      tables.set(version, list);
      targets.set(tableKey(version.schema.id), version);
    }
    this.lastVersion = version;
    this.lastList = list;
    this.lastStep = this.open;
    return list;
  }

  private clashes(version: TableVersion): boolean {
    const present = this.open.targets.get(tableKey(version.schema.id));
    return present !== undefined && present !== version;
  }

  private covers(version: TableVersion, change: number): boolean {
    let asOf = this.asOf.get(version);
    if (asOf === undefined) {
      asOf = this.coverageOf(version);
      this.asOf.set(version, asOf);
    }
    if (asOf === null) return false;
    const position = this.log.position(change) ?? this.options.end;
    return position === null || isCovered(position, asOf);
  }

  /** Nearly always null: the group starts behind the load. */
  private coverageOf(version: TableVersion): Position | null {
    const coverage = this.options.coverage(version.source);
    if (coverage === null) return null;
    if (coverage.chunks.length > 0)
      throw new MillraceError('COVERAGE_NEEDS_REREAD', { table: `${version.source.schema}.${version.source.table}` });
    const { from } = this.options;
    // Everything of the group lies after `from`.
    return from !== null && isCovered(coverage.asOf, from) ? null : coverage.asOf;
  }
}

function newStep(): OpenStep {
  return { tables: new Map(), targets: new Map(), changes: new IntList(), truncates: false };
}
