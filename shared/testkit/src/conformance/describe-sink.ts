import type { JournalBlock } from '@millrace/codec/block-reader.js';
import { ChunkRowsBuilder } from '@millrace/codec/chunk-rows.js';
import { writeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { ChunkPart, LoadChunk } from '@millrace/contract/load.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { ApplyResult, ErrorPolicy, LoadPreparation, SinkGuarantee, SinkWriter } from '@millrace/contract/sink.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { describe, expect, test } from 'vitest';
import { groupOf, positionAt, ScriptedJournal, type SinkChange } from './scripted-journal.js';

/** Id and note, in the order of the ids. */
export type SinkRow = readonly [id: number, note: string | null];

/** An empty target of its own. */
export interface SinkUnderTest extends AsyncDisposable {
  /** A table with the columns `id`, an integer and the key, and `note`, a text that may be null; the sink makes it in the target. */
  readonly schema: TableSchema;
  /** The connector as a new process has it, of one and the same task. */
  readonly connect: (policy: ErrorPolicy) => SinkWriter;
  /** What a reader of the target sees in one snapshot. */
  readonly rows: () => Promise<readonly SinkRow[]>;
}

export interface SinkFixture {
  readonly engine: string;
  readonly guarantee: SinkGuarantee;
  readonly open: () => Promise<SinkUnderTest>;
}

const LOG_ALL: ErrorPolicy = {
  data: 'LOG_ERROR',
  insertConflict: 'LOG_ERROR',
  updateConflict: 'LOG_ERROR',
  deleteConflict: 'LOG_ERROR',
};
const STOP: ErrorPolicy = {
  data: 'STOP_TASK',
  insertConflict: 'STOP_TASK',
  updateConflict: 'STOP_TASK',
  deleteConflict: 'STOP_TASK',
};
const LOAD = '1.1';
const FRESH: LoadPreparation = { preparation: 'DO_NOTHING', firstAttempt: 1 };
const never = new AbortController().signal;

/** What every sink connector guarantees, and what its declared guarantee adds. A connector passes by handing in a fixture. */
export function describeSink({ engine, guarantee, open }: SinkFixture): void {
  const transactional = test.runIf(guarantee === 'transactional');

  describe(`${engine} as a sink, ${guarantee}`, () => {
    test('declares what it guarantees and reads loads as rows', async () => {
      await using run = await SinkRun.open(open);
      expect(run.sink.guarantee).toBe(guarantee);
      expect(run.sink.encodings).toContain('rows');
    });

    test('an assessment and a look leave nothing behind', async () => {
      await using subject = await open();
      await using sink = subject.connect(STOP);
      expect((await sink.assess([subject.schema], 'DO_NOTHING')).filter(({ severity }) => severity === 'error')).toEqual([]);
      const before = await sink.inspect();
      expect(before).toEqual({ checkpoint: null, tables: [], definition: null });
      expect(await sink.inspect()).toEqual(before);
      expect(await sink.remove()).toEqual([]);
    });

    test('#11 #13 a chunk is in once, whole, of one attempt, however often it comes', async () => {
      await using run = await SinkRun.open(open);
      await run.announce();
      await run.prepare();
      const abandoned = run.chunk(0, [1, 2], { breaksOff: new MillraceError('INTERNAL', { what: 'the attempt was abandoned' }) });
      await expect(run.sink.load(abandoned, never)).rejects.toBeInstanceOf(MillraceError);
      expect(await run.sink.load(run.chunk(0, [1, 2, 3]), never)).toBe(true);
      expect(await run.sink.load(run.chunk(0, [1, 2, 3]), never)).toBe(false);
      await run.restart();
      // Preparing again is safe, and tells what is there.
      expect(await run.prepare()).toEqual([0]);
      expect(await run.sink.load(run.chunk(0, [1, 2, 3]), never)).toBe(false);
      expect(await run.sink.load(run.chunk(1, [4]), never)).toBe(true);
      const first = await run.sink.finishLoad(run.version, LOAD, 2);
      expect(await run.sink.finishLoad(run.version, LOAD, 2)).toEqual(first);
      expect(await run.ids()).toEqual([1, 2, 3, 4]);
      const [table] = (await run.sink.inspect()).tables;
      expect(table).toMatchObject({ state: 'completed', load: LOAD, counts: { rowsLoaded: 4n } });
    });

    test('changes arrive, the checkpoint moves with them, and a new incarnation finds both', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1, 2, 3);
      const result = await run.apply(
        [{ kind: 'insert', id: 4, note: null }],
        [
          { kind: 'update', id: 1, note: '' },
          { kind: 'update', id: 2, to: 20 },
          { kind: 'delete', id: 3 },
        ],
      );
      expect(result).toMatchObject({ transactions: 2, rows: 4, errors: 0, checkpoint: run.journal.checkpoint });
      const expected: readonly SinkRow[] = [
        [1, ''],
        [4, null],
        [20, 'loaded 2'],
      ];
      expect(await run.subject.rows()).toEqual(expected);
      const state = await run.restart();
      expect(state.checkpoint).toEqual(run.journal.checkpoint);
      await run.apply([{ kind: 'insert', id: 5, note: 'after' }]);
      expect(await run.subject.rows()).toEqual([
        [1, ''],
        [4, null],
        [5, 'after'],
        [20, 'loaded 2'],
      ]);
    });

    test('progress alone moves the checkpoint', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded();
      await run.applyBlocks([run.journal.progress()]);
      expect((await run.sink.inspect()).checkpoint).toEqual(run.journal.checkpoint);
    });

    test('#47 the same key deleted and made again, keys swapped and moved in a chain, a truncation in between', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1, 2, 3);
      await run.apply(
        [
          { kind: 'delete', id: 1 },
          { kind: 'insert', id: 1, note: 'again' },
        ],
        [
          { kind: 'update', id: 1, to: -1 },
          { kind: 'update', id: 2, to: 1 },
          { kind: 'update', id: -1, to: 2 },
        ],
        [
          { kind: 'insert', id: 9, note: 'short-lived' },
          { kind: 'update', id: 9, to: 10 },
          { kind: 'delete', id: 10 },
        ],
      );
      expect(await run.subject.rows()).toEqual([
        [1, 'loaded 2'],
        [2, 'again'],
        [3, 'loaded 3'],
      ]);
      await run.apply([{ kind: 'insert', id: 4, note: 'gone' }, { kind: 'truncate' }, { kind: 'insert', id: 5, note: 'stays' }]);
      expect(await run.subject.rows()).toEqual([[5, 'stays']]);
    });

    test('#14 a value that the log did not carry stays, beside other changes and where the key moves', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1);
      await run.apply(
        [
          { kind: 'update', id: 1 },
          { kind: 'update', id: 1, to: 2 },
        ],
        [{ kind: 'update', id: 2, to: 3 }],
      );
      expect(await run.subject.rows()).toEqual([[3, 'loaded 1']]);
    });

    transactional('#53 #48 a group that is in already is refused and changes nothing', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1);
      const from = run.journal.checkpoint;
      const blocks = [run.journal.transaction({ kind: 'insert', id: 2, note: 'once' }, { kind: 'delete', id: 1 })];
      await run.applyFrom(from, blocks);
      await expect(run.applyFrom(from, blocks)).rejects.toMatchObject({ code: 'SINK_FENCED' });
      expect(await run.subject.rows()).toEqual([[2, 'once']]);
    });

    test.runIf(guarantee === 'idempotent')('#53 #48 a group that is in already leaves the same rows', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1);
      const from = run.journal.checkpoint;
      const blocks = [run.journal.transaction({ kind: 'insert', id: 2, note: 'once' }, { kind: 'delete', id: 1 })];
      await run.applyFrom(from, blocks);
      await run.applyFrom(from, blocks).catch(() => undefined);
      expect(await run.subject.rows()).toEqual([[2, 'once']]);
    });

    test.runIf(guarantee !== 'at-least-once')(
      'a stale sink writes nothing from the moment at which a newer one is open',
      async () => {
        await using run = await SinkRun.open(open);
        await run.loaded(1);
        const stale = run.sink;
        await run.connect();
        const from = run.journal.checkpoint;
        const blocks = [run.journal.transaction({ kind: 'insert', id: 2, note: 'whose?' })];
        await expect(stale.apply(groupOf(blocks, from, run.journal.checkpoint), never)).rejects.toMatchObject({
          code: 'SINK_FENCED',
        });
        expect(await run.ids()).toEqual([1]);
        await run.applyFrom(from, blocks);
        expect(await run.ids()).toEqual([1, 2]);
      },
    );

    transactional('a group that breaks off in the middle leaves no trace, and the sink goes on', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1);
      const from = run.journal.checkpoint;
      const blocks = [run.journal.transaction({ kind: 'insert', id: 2, note: 'torn' })];
      const breaksOff = new MillraceError('INTERNAL', { what: 'the transaction was abandoned' });
      await expect(run.sink.apply(groupOf(blocks, from, run.journal.checkpoint, { breaksOff }), never)).rejects.toBeInstanceOf(
        MillraceError,
      );
      expect(await run.ids()).toEqual([1]);
      expect((await run.sink.inspect()).checkpoint).toEqual(from);
      await run.applyFrom(from, blocks);
      expect(await run.ids()).toEqual([1, 2]);
    });

    transactional('a reader sees whole transactions only', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded();
      const reading = new AbortController();
      const torn: number[] = [];
      const reader = (async () => {
        while (!reading.signal.aborted) {
          const { length } = await run.subject.rows();
          if (length % 2 === 1) torn.push(length);
        }
      })();
      for (let id = 0; id < 60; id += 2)
        await run.apply([
          { kind: 'insert', id, note: 'a' },
          { kind: 'insert', id: id + 1, note: 'b' },
        ]);
      reading.abort();
      await reader;
      expect(torn).toEqual([]);
      expect((await run.ids()).length).toBe(60);
    });

    test('conflicts are never absorbed: the policy sets them aside whole and counts them, or stops with nothing written', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1);
      const from = run.journal.checkpoint;
      const blocks = [
        run.journal.transaction(
          { kind: 'insert', id: 2, note: 'fine' },
          { kind: 'insert', id: 1, note: 'there already' },
          { kind: 'update', id: 7, note: 'nowhere' },
          { kind: 'delete', id: 8 },
        ),
      ];
      await run.restart(STOP);
      await expect(run.applyFrom(from, blocks)).rejects.toBeInstanceOf(MillraceError);
      if (guarantee === 'transactional') expect(await run.subject.rows()).toEqual([[1, 'loaded 1']]);
      await run.restart(LOG_ALL);
      expect(await run.applyFrom(from, blocks)).toMatchObject({ errors: 3 });
      expect(await run.subject.rows()).toEqual([
        [1, 'loaded 1'],
        [2, 'fine'],
      ]);
      const letters = await run.sink.deadLetters(10);
      expect(letters.map(({ kind, ordinal }) => [kind, ordinal])).toEqual([
        ['insert', 1],
        ['update', 2],
        ['delete', 3],
      ]);
      expect(letters.every(({ position }) => position.key === positionAt(run.journal.place).key)).toBe(true);
      await run.sink.deadLettersPublished(letters.map(({ id }) => id));
      expect(await run.sink.deadLetters(10)).toEqual([]);
    });

    test('#55 changes that the loaded rows hold already are passed over', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1, 2);
      const from = run.journal.checkpoint;
      const blocks = [
        run.journal.transaction({ kind: 'insert', id: 1, note: 'in the load' }),
        run.journal.transaction({ kind: 'insert', id: 3, note: 'after it' }),
      ];
      const coverage = { asOf: positionAt(run.journal.place - 10), chunks: [] };
      const result = await run.sink.apply(groupOf(blocks, from, run.journal.checkpoint, { coverage }), never);
      expect(result.errors).toBe(0);
      expect(await run.subject.rows()).toEqual([
        [1, 'loaded 1'],
        [2, 'loaded 2'],
        [3, 'after it'],
      ]);
    });

    test('a table is set aside with its error while its own load is under way, and by no other', async () => {
      await using run = await SinkRun.open(open);
      await run.announce();
      await run.sink.setAside(run.version.source, 'another', { code: 'LOAD_COUNT', message: 'no' });
      expect((await run.sink.inspect()).tables[0]).toMatchObject({ state: 'before load', error: null });
      await run.prepare();
      await run.sink.setAside(run.version.source, LOAD, { code: 'LOAD_COUNT', message: 'no' });
      expect((await run.sink.inspect()).tables[0]).toMatchObject({
        state: 'error',
        error: { code: 'LOAD_COUNT', message: 'no' },
      });
      expect(await run.apply([{ kind: 'insert', id: 1, note: 'passed over' }])).toMatchObject({ errors: 1 });
      expect(await run.ids()).toEqual([]);
      const older = run.sink;
      await run.connect();
      await expect(older.setAside(run.version.source, LOAD, { code: 'X', message: 'late' })).rejects.toMatchObject({
        code: 'SINK_FENCED',
      });
    });

    test('another definition under the same name is refused', async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1);
      await using other = run.subject.connect(STOP);
      await expect(other.open('another definition')).rejects.toBeInstanceOf(MillraceError);
    });

    test("remove drops the task's own records, keeps the rows, and finds nothing a second time", async () => {
      await using run = await SinkRun.open(open);
      await run.loaded(1);
      expect((await run.sink.remove()).length).toBeGreaterThan(0);
      expect(await run.sink.remove()).toEqual([]);
      expect(await run.ids()).toEqual([1]);
    });
  });
}

/** A task on the target under test, its journal in memory. */
class SinkRun implements AsyncDisposable {
  readonly version: TableVersion;
  readonly journal: ScriptedJournal;
  readonly #sinks: SinkWriter[] = [];
  #applied: Checkpoint = { journal: 'conformance', epoch: 0n, seq: -1n, nextOffset: 0n, position: null };

  private constructor(readonly subject: SinkUnderTest) {
    this.version = newTableVersion(subject.schema, 1);
    this.journal = new ScriptedJournal(this.version);
  }

  static async open(open: SinkFixture['open']): Promise<SinkRun> {
    const run = new SinkRun(await open());
    await run.connect();
    await run.sink.initialize(run.journal.checkpoint);
    return run;
  }

  get sink(): SinkWriter {
    const sink = this.#sinks.at(-1);
    if (sink === undefined) throw new MillraceError('INTERNAL', { what: 'no sink is connected' });
    return sink;
  }

  /** One more sink of the task; the ones before it are left as they are. */
  async connect(policy: ErrorPolicy = STOP): Promise<Awaited<ReturnType<SinkWriter['open']>>> {
    this.#sinks.push(this.subject.connect(policy));
    return await this.sink.open('definition');
  }

  /** Ends the sink and starts another, as a new process. */
  async restart(policy: ErrorPolicy = STOP): Promise<Awaited<ReturnType<SinkWriter['open']>>> {
    await this.#sinks.pop()?.[Symbol.asyncDispose]();
    return await this.connect(policy);
  }

  async announce(): Promise<void> {
    await this.applyBlocks([this.journal.announceLoad(LOAD)]);
  }

  prepare(): Promise<readonly number[]> {
    return this.sink.prepare(this.version, LOAD, FRESH);
  }

  /** The whole load, of one chunk. */
  async loaded(...ids: readonly number[]): Promise<void> {
    await this.announce();
    await this.prepare();
    await this.sink.load(this.chunk(0, ids), never);
    await this.sink.finishLoad(this.version, LOAD, 1);
  }

  chunk(index: number, ids: readonly number[], { breaksOff }: { readonly breaksOff?: Error } = {}): LoadChunk {
    const builder = new ChunkRowsBuilder(this.version);
    for (const id of ids)
      writeRow(
        this.version,
        this.version.schema.columns.map(({ name }) => (name === 'id' ? id : `loaded ${id}`)),
        builder.row(),
      );
    const part = builder.take();
    const parts = async function* (): AsyncGenerator<ChunkPart> {
      yield part;
      await Promise.resolve();
      if (breaksOff !== undefined) throw breaksOff;
    };
    return {
      load: LOAD,
      table: this.version,
      index,
      attempt: 1,
      asOf: positionAt(this.journal.place),
      keys: null,
      encoding: 'rows',
      parts: parts(),
    };
  }

  /** Applies transactions as one group. */
  apply(...transactions: readonly (readonly SinkChange[])[]): Promise<ApplyResult> {
    const from = this.journal.checkpoint;
    return this.applyFrom(
      from,
      transactions.map((changes) => this.journal.transaction(...changes)),
    );
  }

  /** Applies blocks that were written last. */
  applyBlocks(blocks: readonly JournalBlock[]): Promise<ApplyResult> {
    return this.applyFrom(this.#applied, blocks);
  }

  async applyFrom(from: Checkpoint, blocks: readonly JournalBlock[]): Promise<ApplyResult> {
    const result = await this.sink.apply(groupOf(blocks, from, this.journal.checkpoint), never);
    this.#applied = result.checkpoint;
    return result;
  }

  async ids(): Promise<readonly number[]> {
    return (await this.subject.rows()).map(([id]) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sink of this.#sinks) await sink[Symbol.asyncDispose]();
    await this.subject[Symbol.asyncDispose]();
  }
}
