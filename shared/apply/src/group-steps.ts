import { tableKey } from '@millrace/codec/table-key.js';
import type { Position } from '@millrace/contract/position.js';
import type { Coverage } from '@millrace/contract/sink.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import { CHANGE, type ChangeLog } from './change-log.js';
import { IntList } from './int-list.js';
import { isCovered } from './is-covered.js';
import { KeyCoverage } from './key-coverage.js';

/** Changes that may be reordered among tables, since no schema changes between them. Indexes into the log, ascending. */
export interface RowsStep {
  readonly kind: 'rows';
  /** By table version, truncations included in each table that they name. */
  readonly tables: ReadonlyMap<TableVersion, IntList>;
  /** All of them, each once. */
  readonly changes: IntList;
  readonly truncates: boolean;
}

export type Step =
  | RowsStep
  | { readonly kind: 'schema'; readonly change: number }
  /** The change needs values that neither the log nor the loaded rows have: its table has to be loaded again. */
  | { readonly kind: 'hole'; readonly table: TableVersion };

export interface StepOptions {
  readonly coverage: (source: TableId) => Coverage | null;
  /** Position before the first change. */
  readonly from: Position | null;
  /** Position of changes whose Commit is not in the log; null: not known, a load that might hold them is taken to do so. */
  readonly end: Position | null;
  /** Changes before this one are left out: they are in the target. */
  readonly first?: number;
}

/**
 * Cuts the log into steps to be applied one after the other: a Schema event is a barrier, and so is another version of a table
 * that the step has already (two source tables that share a target table included). Changes that the loaded rows hold already
 * are left out.
 */
export function stepsOf(log: ChangeLog, options: StepOptions): readonly Step[] {
  return new Cutter(log, options).cut();
}

interface OpenStep {
  readonly tables: Map<TableVersion, IntList>;
  readonly targets: Map<string, TableVersion>;
  readonly changes: IntList;
  truncates: boolean;
}

interface VersionCoverage {
  /** Everything above it is to be applied. */
  readonly asOf: Position;
  /** Everything up to it is held. */
  readonly earliest: Position;
  /** For what lies between; null: nothing does. */
  readonly keys: KeyCoverage | null;
}

class Cutter {
  private readonly steps: Step[] = [];
  private open: OpenStep = newStep();
  /** Null: apply everything. */
  private readonly coverages = new Map<TableVersion, VersionCoverage | null>();

  constructor(
    private readonly log: ChangeLog,
    private readonly options: StepOptions,
  ) {}

  cut(): readonly Step[] {
    const { log } = this;
    for (let change = this.options.first ?? 0; change < log.length; change++) {
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
    const held = this.held(version, change);
    if (held === 'all') return;
    const left = held === 'nothing' ? 'all' : held.left(change, this.position(change));
    switch (left) {
      case 'nothing':
        return;
      case 'hole':
        this.hole(version);
        return;
      case 'delete':
        this.log.becomeDelete(change);
        break;
      case 'insert':
        this.log.becomeInsert(change);
        break;
      case 'all':
        break;
      default:
        assertNever(left);
    }
    this.listOf(version).push(change);
    this.open.changes.push(change);
  }

  private hole(table: TableVersion): void {
    this.close();
    this.steps.push({ kind: 'hole', table });
  }

  private truncate(change: number): void {
    const tables: TableVersion[] = [];
    for (const version of this.log.truncation(change).tables) {
      const held = this.held(version, change);
      if (held === 'nothing') tables.push(version);
      // Rows that came after it are in already.
      else if (held !== 'all') this.hole(version);
    }
    if (tables.length === 0) return;
    // All of them in one step: they are truncated by one statement.
    if (tables.some((version) => this.clashes(version))) this.close();
    for (const version of tables) this.listOf(version).push(change);
    this.open.changes.push(change);
    this.open.truncates = true;
  }

  private schema(change: number): void {
    const { table, change: what } = this.log.schemaStep(change);
    // A load is asked for anew, and a table ends, whatever an earlier load covered: only a version can be in its rows already.
    if (what.kind === 'version' && this.held(table, change) === 'all') return;
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
    const list = this.open.tables.get(version) ?? this.newList(version);
    this.lastVersion = version;
    this.lastList = list;
    this.lastStep = this.open;
    return list;
  }

  private newList(version: TableVersion): IntList {
    if (this.clashes(version)) this.close();
    const list = new IntList();
    this.open.tables.set(version, list);
    this.open.targets.set(tableKey(version.schema.id), version);
    return list;
  }

  private clashes(version: TableVersion): boolean {
    const present = this.open.targets.get(tableKey(version.schema.id));
    return present !== undefined && present !== version;
  }

  /** What of the change as a whole is held by loaded rows: all, nothing, or, by its keys, a part. */
  private held(version: TableVersion, change: number): 'all' | 'nothing' | KeyCoverage {
    let coverage = this.coverages.get(version);
    if (coverage === undefined) {
      coverage = this.coverageOf(version);
      this.coverages.set(version, coverage);
    }
    if (coverage === null) return 'nothing';
    const position = this.position(change);
    if (position !== null && !isCovered(position, coverage.asOf)) return 'nothing';
    if (coverage.keys === null || position === null || isCovered(position, coverage.earliest)) return 'all';
    return coverage.keys;
  }

  private position(change: number): Position | null {
    return this.log.position(change) ?? this.options.end;
  }

  /** Nearly always null: the group starts behind the load. */
  private coverageOf(version: TableVersion): VersionCoverage | null {
    const coverage = this.options.coverage(version.source);
    const { from } = this.options;
    // Everything of the group lies after `from`.
    if (coverage === null || (from !== null && isCovered(coverage.asOf, from))) return null;
    const { asOf, chunks } = coverage;
    if (chunks.length === 0) return { asOf, earliest: asOf, keys: null };
    const earliest = chunks.reduce((least, chunk) => (isCovered(chunk.asOf, least) ? chunk.asOf : least), asOf);
    return { asOf, earliest, keys: new KeyCoverage(this.log, version, chunks) };
  }
}

function newStep(): OpenStep {
  return { tables: new Map(), targets: new Map(), changes: new IntList(), truncates: false };
}
