import { ChunkRowsCursor } from '@millrace/codec/chunk-rows.js';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { CaptureIdentity, CaptureSource, TableSelector } from '@millrace/contract/capture.js';
import type { ChunkSpec, Snapshot, SnapshotTable } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import { UNCHANGED } from '@millrace/contract/row.js';
import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { describe, expect, test } from 'vitest';
import { uniqueWord, waitUntil } from '../servers.js';
import { type ConformanceRow, RecordingEvents, rowOf } from './recording-events.js';

export type SourceChange =
  | { readonly kind: 'insert'; readonly id: number; readonly note: string | null }
  | { readonly kind: 'update'; readonly id: number; readonly note: string | null }
  | { readonly kind: 'move'; readonly id: number; readonly to: number }
  | { readonly kind: 'delete'; readonly id: number };

/** An open transaction of the source. */
export interface HeldTransaction {
  readonly commit: () => Promise<void>;
  readonly rollback: () => Promise<void>;
}

/** A database of its own with one table: `id`, an integer and the key, and `note`, a text that may be null. */
export interface SourceUnderTest extends AsyncDisposable {
  readonly table: TableId;
  /** The connector as a new process has it. */
  readonly connect: () => CaptureSource;
  /** Makes the changes in one transaction and leaves it open. Changes of two open transactions never touch one row. */
  readonly transaction: (changes: readonly SourceChange[]) => Promise<HeldTransaction>;
  /** Makes the source lose the log that this capture would go on in. */
  readonly loseLog: (source: CaptureSource, identity: CaptureIdentity) => Promise<void>;
}

export interface SourceFixture {
  readonly engine: string;
  /** Attaching makes something in the source that stays there until it is removed. */
  readonly leavesSomething: boolean;
  readonly open: () => Promise<SourceUnderTest>;
}

const DEADLINE_MS = 30_000;

/** What every source connector guarantees, whatever its engine is. A connector passes by handing in a fixture. */
export function describeSource({ engine, leavesSomething, open }: SourceFixture): void {
  describe(`${engine} as a source`, () => {
    test('an assessment of a source that is fit finds no error, and the selected table is described with its key', async () => {
      await using run = await SourceRun.open(open);
      await using source = run.subject.connect();
      expect((await source.assess(run.selector)).filter(({ severity }) => severity === 'error')).toEqual([]);
      const [schema, ...others] = await source.describe(run.selector);
      expect(others).toEqual([]);
      expect(schema).toMatchObject({ id: run.subject.table, primaryKey: ['id'], identityColumns: ['id'] });
      expect(schema?.columns.map(({ name }) => name)).toEqual(['id', 'note']);
    });

    test('#11 #12 the snapshot and the stream behind it meet: every row is in exactly one of them, those of a transaction open meanwhile included', async () => {
      await using run = await SourceRun.open(open);
      await run.commit({ kind: 'insert', id: 1, note: 'before' });
      const open1 = await run.subject.transaction([{ kind: 'insert', id: 2, note: 'open' }]);
      // A source may wait for open transactions before it shows a consistent view.
      const starting = run.first();
      const committing = open1.commit();
      const rows = await starting;
      await committing;
      await run.commit({ kind: 'insert', id: 3, note: 'after' });
      await run.caughtUp();
      const streamed = run.events.changes.flatMap((change) => (change.kind === 'insert' ? [change.after] : []));
      expect([...rows, ...streamed].map(({ id }) => id).sort()).toEqual([1, 2, 3]);
    });

    test('a table of many rows is cut into chunks that hold each row once, and a load goes on behind any of them', async () => {
      await using run = await SourceRun.open(open);
      const ids = Array.from({ length: 2_000 }, (_, index) => index * 3 - 1_500);
      await run.commit(...ids.map((id): SourceChange => ({ kind: 'insert', id, note: `row ${id}` })));
      const resumed: number[] = [];
      const rows = await run.first(async (snapshot, table) => {
        const chunks = await collect(snapshot.chunks(table, null, run.signal));
        const middle = chunks[Math.floor((chunks.length - 1) / 2)];
        if (middle === undefined) return;
        const rest = await collect(snapshot.chunks(table, middle, run.signal));
        const upToMiddle = chunks.slice(0, chunks.indexOf(middle) + 1);
        for (const chunk of [...upToMiddle, ...rest])
          resumed.push(...(await readChunk(snapshot, table, chunk, run.signal)).map(({ id }) => Number(id)));
      });
      const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((left, right) => left - right);
      expect(sorted(rows.map(({ id }) => Number(id)))).toEqual(ids);
      expect(sorted(resumed)).toEqual(ids);
    });

    test('transactions come whole, in the order of their commits; what is rolled back never comes', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      const early = await run.subject.transaction([{ kind: 'insert', id: 1, note: 'begun first' }]);
      const never = await run.subject.transaction([{ kind: 'insert', id: 9, note: 'never' }]);
      await run.commit({ kind: 'insert', id: 2, note: 'a' }, { kind: 'insert', id: 3, note: 'b' });
      await never.rollback();
      await early.commit();
      await run.caughtUp();
      const ids = run.events.transactions
        .filter(({ changes }) => changes.length > 0)
        .map(({ changes }) => changes.map((change) => (change.kind === 'insert' ? change.after.id : null)));
      expect(ids).toEqual([[2, 3], [1]]);
    });

    test('an update, a moved key and a delete name the old row; null, the empty text and every plane of Unicode are themselves', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      const notes = [null, '', ' ', 'NULL', '\\N', 'a\tb\nc', 'quote \' " \\', '\u{10ffff} 😀 é e\u0301 \u202e'];
      await run.commit(...notes.map((note, id): SourceChange => ({ kind: 'insert', id, note })));
      await run.commit({ kind: 'update', id: 1, note: null });
      await run.commit({ kind: 'move', id: 2, to: 20 });
      await run.commit({ kind: 'delete', id: 3 });
      await run.caughtUp();
      const { changes } = run.events;
      expect(changes.slice(0, notes.length)).toEqual(notes.map((note, id) => ({ kind: 'insert', after: { id, note } })));
      const [update, move, removal] = changes.slice(notes.length);
      expect(update).toMatchObject({ kind: 'update', after: { id: 1, note: null } });
      expect(move).toMatchObject({ kind: 'update', before: { id: 2 }, after: { id: 20 } });
      expect(removal).toMatchObject({ kind: 'delete', before: { id: 3 } });
    });

    test('#3 #8 a new incarnation that goes on behind any transaction brings exactly those after it', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      run.acknowledging = false;
      for (let id = 1; id <= 6; id += 1) await run.commit({ kind: 'insert', id, note: 'n' });
      await run.caughtUp();
      await run.stop();
      const { transactions } = run.events;
      expect(transactions).toHaveLength(6);
      for (const [index, { position }] of transactions.entries()) {
        await run.again(position);
        await run.caughtUp();
        await run.stop();
        expect(run.events.transactions.map((transaction) => transaction.position)).toEqual(
          transactions.slice(index + 1).map((transaction) => transaction.position),
        );
      }
    });

    test('#1 #2 what was not acknowledged is there for the next incarnation, however long the source was idle', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      await run.commit({ kind: 'insert', id: 1, note: 'acknowledged' });
      await run.caughtUp();
      const { position } = run.events;
      run.acknowledging = false;
      await run.commit({ kind: 'insert', id: 2, note: 'only received' });
      await run.caughtUp();
      await run.stop();
      await run.again(position);
      await run.caughtUp();
      expect(run.events.changes).toEqual([{ kind: 'insert', after: { id: 2, note: 'only received' } }]);
    });

    test('#5 a log that is not there any more is refused, never begun anew', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      await run.stop();
      const { position } = run.events;
      await using source = run.subject.connect();
      await run.subject.loseLog(source, run.identity);
      const refusal = await source.attach(run.identity, run.selector, position).then(
        () => null,
        (error: unknown) => error,
      );
      expect(refusal).toBeInstanceOf(MillraceError);
      expect(refusal).toMatchObject({ class: 'operator' });
    });

    test('the stream waits while the journal is not ready, and then goes on without a gap', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      let openGate: () => void = () => undefined;
      run.events.gate = new Promise((resolve) => {
        openGate = resolve;
      });
      for (let id = 1; id <= 50; id += 1) await run.commit({ kind: 'insert', id, note: 'n'.repeat(1_000) });
      run.events.gate = undefined;
      openGate();
      await run.caughtUp();
      expect(run.events.changes.map((change) => (change.kind === 'insert' ? change.after.id : null))).toEqual(
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
    });

    test('a newer incarnation takes the source from an older one', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      // Only a stream that is under way is taken from its reader.
      await run.commit({ kind: 'insert', id: 0, note: 'for the older' });
      await run.caughtUp();
      const { position } = run.events;
      const older = run.ended;
      await run.again(position);
      await run.commit({ kind: 'insert', id: 1, note: 'for the newer' });
      await run.caughtUp();
      expect(run.events.changes).toEqual([{ kind: 'insert', after: { id: 1, note: 'for the newer' } }]);
      await expect(older).rejects.toBeInstanceOf(MillraceError);
    });

    test('remove drops what was made and says so; a second time there is nothing', async () => {
      await using run = await SourceRun.open(open);
      await run.first();
      await run.stop();
      await using source = run.subject.connect();
      expect((await source.remove(run.identity)).length > 0).toBe(leavesSomething);
      expect(await source.remove(run.identity)).toEqual([]);
    });
  });
}

/** A capture on the source under test, its journal in memory. */
class SourceRun implements AsyncDisposable {
  readonly identity: CaptureIdentity = { task: uniqueWord(), journal: uniqueWord() };
  /** Everything recorded is taken as durable while it is true. */
  acknowledging = true;
  readonly #sources: CaptureSource[] = [];
  #events: RecordingEvents | undefined;
  #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  private constructor(readonly subject: SourceUnderTest) {}

  static async open(open: SourceFixture['open']): Promise<SourceRun> {
    return new SourceRun(await open());
  }

  get selector(): TableSelector {
    const { table } = this.subject;
    return {
      select: ({ id }) => ({ selected: id.schema === table.schema && id.table === table.table, explicit: true, loadOrder: 0 }),
      filter: () => null,
      assess: () => [],
    };
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get events(): RecordingEvents {
    if (this.#events === undefined) throw new MillraceError('INTERNAL', { what: 'the run has not started' });
    return this.#events;
  }

  /** The stream's own end. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** First start: reads the snapshot's rows, lets somebody else look at it, then streams. */
  async first(
    look: (snapshot: Snapshot, table: SnapshotTable) => Promise<void> = () => Promise.resolve(),
  ): Promise<ConformanceRow[]> {
    const source = this.subject.connect();
    this.#sources.push(source);
    const { acknowledged, snapshot } = await source.attach(this.identity, this.selector, null);
    const [schema] = await source.describe(this.selector);
    if (snapshot === null || schema === undefined)
      throw new MillraceError('INTERNAL', { what: 'a first start gives a snapshot of its tables' });
    expect(snapshot.position).toEqual(acknowledged);
    const table: SnapshotTable = { schema, filter: null, encoding: 'rows' };
    const rows: ConformanceRow[] = [];
    for await (const chunk of snapshot.chunks(table, null, this.signal))
      rows.push(...(await readChunk(snapshot, table, chunk, this.signal)));
    await look(snapshot, table);
    await snapshot[Symbol.asyncDispose]();
    await this.#stream(source, acknowledged, schema);
    return rows;
  }

  /** A new incarnation that goes on behind the position. */
  async again(after: Position): Promise<void> {
    const source = this.subject.connect();
    this.#sources.push(source);
    await source.attach(this.identity, this.selector, after);
    const [schema] = await source.describe(this.selector);
    if (schema === undefined) throw new MillraceError('INTERNAL', { what: 'the table is gone' });
    await this.#stream(source, after, schema);
  }

  async commit(...changes: readonly SourceChange[]): Promise<void> {
    const transaction = await this.subject.transaction(changes);
    await transaction.commit();
  }

  /** Waits until everything that is committed now is recorded. */
  async caughtUp(): Promise<void> {
    const end = await this.#source.currentPosition();
    const failed = this.#ended.then(() => {
      throw new MillraceError('INTERNAL', { what: 'the stream ended before it had caught up' });
    });
    const reached = waitUntil(() => this.events.position.key >= end.key, {
      what: `the stream to pass ${this.#source.formatPosition(end)}`,
      deadlineMs: DEADLINE_MS,
      everyMs: 10,
    });
    await Promise.race([reached, failed]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.#source[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended.catch(() => undefined);
    const [last] = this.#sources.slice(-1);
    await last?.remove(this.identity).catch(() => undefined);
    for (const source of this.#sources) await source[Symbol.asyncDispose]();
    await this.subject[Symbol.asyncDispose]();
  }

  get #source(): CaptureSource {
    const source = this.#sources.at(-1);
    if (source === undefined) throw new MillraceError('INTERNAL', { what: 'the run has not started' });
    return source;
  }

  async #stream(source: CaptureSource, after: Position, schema: TableSchema): Promise<void> {
    const events = new RecordingEvents(after, []);
    await events.schema(schema, { kind: 'version' });
    this.#events = events;
    this.#stop = new AbortController();
    const acknowledge = setInterval(() => {
      if (this.acknowledging) source.acknowledge(events.position);
    }, 20);
    const { signal } = this.#stop;
    const needsLoad = (): string => {
      throw new MillraceError('INTERNAL', { what: 'a table that nothing happened to needs no load' });
    };
    this.#ended = source
      .stream(after, events, { selector: this.selector, known: events.known, signal, needsLoad })
      .finally(() => clearInterval(acknowledge));
    // Whoever waits for it hears of a failure; until then it is no unhandled one.
    this.#ended.catch(() => undefined);
  }
}

async function readChunk(
  snapshot: Snapshot,
  table: SnapshotTable,
  chunk: ChunkSpec,
  signal: AbortSignal,
): Promise<ConformanceRow[]> {
  const version = newTableVersion(table.schema, 1);
  const rows: ConformanceRow[] = [];
  for await (const part of snapshot.read(table, version, chunk, signal)) {
    const cursor = new ChunkRowsCursor(part, version);
    while (cursor.next()) {
      const row = decodeRow(version, part.bytes, cursor.start, cursor.end);
      expect(row).not.toContain(UNCHANGED);
      rows.push(rowOf(version, row));
    }
  }
  return rows;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
