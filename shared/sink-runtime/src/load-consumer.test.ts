import { setImmediate as turn } from 'node:timers/promises';
import { ChunkDigest } from '@millrace/codec/chunk-digest.js';
import type { LoadEvent, LoadRecord } from '@millrace/codec/load-record.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import { tableWithoutColumns } from '@millrace/codec/testing/plain-tables.js';
import type { LoadChunk } from '@millrace/contract/load.js';
import type { LoadPreparation, TableProgress, TableState } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Changes } from '@millrace/flow/changes.js';
import { deferred } from '@millrace/flow/deferred.js';
import type { LoadItem, LoadPlace } from '@millrace/journal/load-topic.js';
import { judgeNumbered, type Numbered } from '@millrace/journal/rules/numbered-rules.js';
import { expect, test } from 'vitest';
import { LoadConsumer } from './load-consumer.js';
import { LoadProgress } from './load-progress.js';

const LANES = 2;
const CHUNKS = 4;
const PARTS = 2;
const asOf = { source: 's', timeline: 1, key: '00' };

/** Pseudo-random numbers below `bound`, by mulberry32. */
function randomOf(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const tableOf = (name: string) => ({ schema: 'public', table: name });
const versionOf = (name: string): TableVersion => newTableVersion(tableWithoutColumns(tableOf(name)), Number.parseInt(name, 36));
const textOf = (load: string, chunk: number): string =>
  Array.from({ length: PARTS }, (_, seq) => `${load}/${chunk}/${seq};`).join('');

/** A load topic in memory: what a reading finds follows the product's own rule. Partition 0 is for control. */
class MemoryTopic {
  readonly lanes = LANES;
  readonly #logs: LoadItem[][] = Array.from({ length: 1 + LANES }, () => []);
  readonly #starts = Array.from({ length: 1 + LANES }, () => 0n);
  readonly #numbers = new Map<string, bigint>();
  readonly #changes = new Changes();

  append(partition: number, record: LoadRecord): void {
    const key = `${partition}/${record.epoch}`;
    const seq = this.#numbers.get(key) ?? 0n;
    this.#numbers.set(key, seq + 1n);
    const log = this.#log(partition);
    log.push({ offset: BigInt(log.length), number: { epoch: record.epoch, seq }, record });
    this.#changes.notify();
  }

  control(after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    return this.#read(0, { after, end: null }, signal);
  }

  controlNow(after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    return this.#read(0, { after, end: BigInt(this.#log(0).length) }, signal);
  }

  lane(lane: number, after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    return this.#read(1 + lane, { after, end: null }, signal);
  }

  async laneEnd(lane: number): Promise<bigint> {
    await turn();
    return BigInt(this.#log(1 + lane).length);
  }

  async trimLane(lane: number, below: bigint): Promise<void> {
    await turn();
    this.#starts[1 + lane] = below;
    await turn();
  }

  freed(): bigint {
    return this.#starts.reduce((sum, start) => sum + start, 0n);
  }

  async *#read(
    partition: number,
    { after, end }: { readonly after: LoadPlace | null; readonly end: bigint | null },
    signal: AbortSignal,
  ): AsyncGenerator<LoadItem> {
    let last: Numbered | null = after?.number ?? null;
    const trimmed = this.#start(partition) > 0n;
    for (let offset = after === null ? this.#start(partition) : after.offset + 1n; end === null || offset < end; ) {
      await turn();
      if (signal.aborted) return;
      if (offset < this.#start(partition)) {
        const start = this.#start(partition);
        throw new MillraceError('JOURNAL_TRIMMED', { topic: 'load', partition, offset, start });
      }
      const item = this.#log(partition)[Number(offset)];
      if (item === undefined) {
        await this.#changes.wait(signal);
        continue;
      }
      offset += 1n;
      const { kind } = judgeNumbered(last, item.number, trimmed);
      if (kind === 'hole') throw new Error(`a hole in partition ${partition} at ${item.offset}`);
      if (kind === 'ignore') continue;
      last = item.number;
      yield item;
    }
  }

  #log(partition: number): LoadItem[] {
    return this.#logs[partition] ?? [];
  }

  #start(partition: number): bigint {
    return this.#starts[partition] ?? 0n;
  }
}

interface TargetTable {
  load: string;
  state: TableState;
  prepared: number;
  readonly chunks: Map<number, string>;
}

/** What is committed: it outlives each sink. */
class Target {
  readonly tables = new Map<string, TargetTable>();
  epoch = 0n;

  name(table: string, load: string): void {
    this.tables.set(table, { load, state: 'before load', prepared: 0, chunks: new Map() });
    this.epoch = BigInt(load.split('.')[0] ?? '0');
  }

  progress(): TableProgress[] {
    return [...this.tables].map(([name, { load, state, chunks }]) => ({
      source: tableOf(name),
      target: tableOf(name),
      state,
      counts: { rowsLoaded: 0n, inserts: 0n, updates: 0n, deletes: 0n, truncates: 0n, ddls: 0n, errors: 0n },
      load,
      chunksApplied: [...chunks.keys()].map((index) => ({ index, asOf, keys: null })),
      asOf: state === 'completed' ? asOf : null,
      error: null,
    }));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** A sink's process, until it is killed: from then on nothing that it does is committed. */
class SinkProcess {
  readonly #life = new AbortController();
  readonly #progress: LoadProgress;
  readonly #consumer: LoadConsumer;
  readonly running: Promise<void>;
  failure: Error | undefined;

  constructor(
    readonly topic: MemoryTopic,
    readonly target: Target,
    readonly random: (bound: number) => number,
  ) {
    const { signal } = this.#life;
    this.#progress = new LoadProgress(target.progress(), target.epoch);
    this.#consumer = new LoadConsumer({
      topic,
      sink: {
        prepare: (version, load, preparation) => this.#prepare(version, load, preparation),
        load: (chunk) => this.#load(chunk),
        finishLoad: async (version, load) => {
          await this.#alive();
          const table = this.#table(version);
          if (table.load === load) table.state = 'completed';
          return { chunksApplied: [], asOf };
        },
        setAside: () => Promise.reject(new Error('no load fails')),
      },
      mapper: { map: (version) => ({ version, mapKeys: (keys) => keys, mapParts: ({ parts }) => parts }) },
      preparation: 'DO_NOTHING',
      isPast: (table, load) => this.#progress.isPast(table, load),
      onChunk: () => undefined,
      onTable: () => undefined,
      version: (id) => Promise.resolve(versionOf(id.toString(36))),
      signal,
    });
    this.running = this.#run(signal).catch((error: unknown) => {
      if (!signal.aborted) this.failure = asError(error);
    });
  }

  /** The stream has applied what the target now holds. */
  named(): void {
    this.#progress.update(this.target.progress());
    this.#progress.reached(this.target.epoch);
  }

  trim(): Promise<void> {
    return this.#consumer.trim().catch((error: unknown) => {
      if (!this.#life.signal.aborted) this.failure = asError(error);
    });
  }

  async kill(): Promise<void> {
    this.#life.abort();
    await this.running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waiting = this.#progress.waiting();
      if (waiting.length === 0) {
        await this.#progress.change(signal);
        continue;
      }
      await this.#consumer.session(waiting, (table, outcome) => this.#progress.settled(table, outcome));
      if (!signal.aborted) this.named();
    }
  }

  async #alive(): Promise<void> {
    for (let turns = this.random(4); turns > 0; turns--) await turn();
    this.#life.signal.throwIfAborted();
  }

  async #prepare(version: TableVersion, load: string, { firstAttempt }: LoadPreparation): Promise<readonly number[]> {
    await this.#alive();
    const table = this.#table(version);
    if (table.load !== load) throw new Error('prepared for a load that is past');
    if (table.prepared < firstAttempt) {
      table.chunks.clear();
      table.prepared = firstAttempt;
      table.state = 'full load';
    }
    return [...table.chunks.keys()];
  }

  async #load(chunk: LoadChunk): Promise<boolean> {
    let text = '';
    for await (const { bytes } of chunk.parts) text += Buffer.from(bytes).toString();
    await this.#alive();
    const table = this.#table(chunk.table);
    if (table.load !== chunk.load || chunk.attempt < table.prepared || table.chunks.has(chunk.index)) return false;
    table.chunks.set(chunk.index, text);
    // Committed; the reply may be lost.
    await this.#alive();
    return true;
  }

  #table({ source }: TableVersion): TargetTable {
    const table = this.target.tables.get(source.table);
    if (table === undefined) throw new Error('the journal has not named it');
    return table;
  }
}

interface Append {
  readonly partition: number;
  readonly record: LoadRecord;
}

/** What captures write: the first dies in the middle of two loads, the second goes on with them, and loads one table again and a new one. */
function writtenBy(random: (bound: number) => number): readonly Append[] {
  const written: Append[] = [];
  const control = (epoch: bigint, event: LoadEvent) => written.push({ partition: 0, record: { ...event, epoch } });
  const began = (epoch: bigint, name: string, load: string, attempt: number, restart: boolean) =>
    control(epoch, {
      kind: 'began',
      load,
      table: tableOf(name),
      registryId: Number.parseInt(name, 36),
      attempt,
      asOf,
      restart,
      encoding: 'rows',
      estimatedRows: 0,
      estimatedBytes: 0,
      takenAtMicros: null,
    });
  const requested = (epoch: bigint, name: string, load: string) =>
    control(epoch, { kind: 'requested', load, table: tableOf(name), registryId: Number.parseInt(name, 36) });
  const rowsOf = (epoch: bigint, name: string, load: string, attempt: number, chunk: number): Append[] => {
    const about = { load, table: tableOf(name), attempt, chunk };
    const parts = Array.from({ length: PARTS }, (_, seq) => Buffer.from(`${load}/${chunk}/${seq};`));
    const taken = new ChunkDigest();
    for (const part of parts) taken.update(part);
    const digest = taken.hex;
    const rows = parts.map((bytes, seq): LoadRecord => ({ kind: 'rows', ...about, seq, rows: 1, bytes, epoch }));
    const end: LoadRecord = { kind: 'chunk-ended', ...about, parts: PARTS, rows: PARTS, digest, asOf, keys: null, epoch };
    return [...rows, end].map((record) => ({ partition: 1 + (chunk % LANES), record }));
  };
  const chunk = (epoch: bigint, name: string, load: string, attempt: number, index: number, complete = true) => {
    const spec = { index, locator: '', keys: null };
    control(epoch, { kind: 'chunk-began', load, table: tableOf(name), attempt, chunk: spec, lane: index % LANES });
    const rows = rowsOf(epoch, name, load, attempt, index);
    written.push(...(complete ? rows : rows.slice(0, 1 + random(PARTS))));
    const end = rows.at(-1)?.record;
    if (complete && end !== undefined) written.push({ partition: 0, record: end });
  };
  const ended = (epoch: bigint, name: string, load: string, attempt: number) =>
    control(epoch, { kind: 'ended', load, table: tableOf(name), attempt, chunks: CHUNKS });

  const stopsAt = { a: 1 + random(CHUNKS), b: random(CHUNKS) };
  for (const [name, load] of [
    ['a', '0.1'],
    ['b', '0.2'],
  ] as const)
    requested(0n, name, load);
  for (const [name, load] of [
    ['a', '0.1'],
    ['b', '0.2'],
  ] as const) {
    began(0n, name, load, 1, false);
    for (let index = 0; index < stopsAt[name]; index++) chunk(0n, name, load, 1, index);
    chunk(0n, name, load, 1, stopsAt[name], false);
  }
  for (const [name, load] of [
    ['a', '0.1'],
    ['b', '0.2'],
  ] as const) {
    const restart = random(3) === 0;
    began(7n, name, load, 2, restart);
    for (let index = restart ? 0 : stopsAt[name]; index < CHUNKS; index++) chunk(7n, name, load, 2, index);
    ended(7n, name, load, 2);
    // The fenced capture has not noticed.
    written.push(...rowsOf(0n, name, load, 1, stopsAt[name] + 1));
  }
  for (const [name, load] of [
    ['c', '7.1'],
    ['a', '7.2'],
  ] as const) {
    requested(7n, name, load);
    began(7n, name, load, 1, false);
    for (let index = 0; index < CHUNKS; index++) chunk(7n, name, load, 1, index);
    ended(7n, name, load, 1);
  }
  return written;
}

/** One history: captures write, the stream names loads, sinks load, free and are killed, all in a random order. */
async function history(seed: number): Promise<{ readonly target: Target; readonly freed: bigint }> {
  const random = randomOf(seed);
  const [topic, target] = [new MemoryTopic(), new Target()];
  const writes = [...writtenBy(random)];
  const names: (readonly [string, string])[] = [];
  let sink = new SinkProcess(topic, target, random);
  let trimming: Promise<void> | null = null;
  const done = () =>
    writes.length + names.length === 0 && [...target.tables.values()].every(({ state }) => state === 'completed');
  for (let turns = 0; turns < 20_000 && !done(); turns++) {
    const action = random(40);
    if (action < 12) {
      const write = writes.shift();
      if (write !== undefined) topic.append(write.partition, write.record);
      if (write?.record.kind === 'requested') names.push([write.record.table.table, write.record.load]);
    } else if (action < 16 && names[0] !== undefined) {
      // The stream waits for a table's rows before it goes on to another load of it.
      const [name, load] = names[0];
      if ((target.tables.get(name)?.state ?? 'completed') === 'completed') {
        names.shift();
        target.name(name, load);
        sink.named();
      }
    } else if (action < 20 && trimming === null) {
      trimming = sink.trim().finally(() => {
        trimming = null;
      });
    } else if (action === 39 && random(4) === 0) {
      await Promise.all([sink.kill(), trimming]);
      sink = new SinkProcess(topic, target, random);
    }
    await turn();
    if (sink.failure !== undefined) throw sink.failure;
  }
  await trimming;
  if (done()) await sink.trim();
  await sink.kill();
  return { target, freed: topic.freed() };
}

test('whatever is freed and whenever a sink is killed, every load comes in whole', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { target, freed } = await history(seed);
    const found = [...target.tables].map(([name, { load, state, chunks }]) => ({ name, load, state, chunks }));
    const whole = (load: string) => new Map(Array.from({ length: CHUNKS }, (_, index) => [index, textOf(load, index)]));
    expect([seed, found.toSorted((one, other) => (one.name < other.name ? -1 : 1))]).toEqual([
      seed,
      [
        { name: 'a', load: '7.2', state: 'completed', chunks: whole('7.2') },
        { name: 'b', load: '0.2', state: 'completed', chunks: whole('0.2') },
        { name: 'c', load: '7.1', state: 'completed', chunks: whole('7.1') },
      ],
    ]);
    expect(freed).toBeGreaterThan(0n);
  }
});

/** A load of one chunk with one row, as its capture writes it, in one piece. */
function appendLoad(topic: MemoryTopic, name: string, load: string): void {
  const about = { load, table: tableOf(name), epoch: 0n };
  const of = { ...about, attempt: 1, chunk: 0 };
  const digest = new ChunkDigest();
  const bytes = Buffer.from(load);
  digest.update(bytes);
  const end: LoadRecord = { kind: 'chunk-ended', ...of, parts: 1, rows: 1, digest: digest.hex, asOf, keys: null };
  const registryId = Number.parseInt(name, 36);
  const estimates = { estimatedRows: 0, estimatedBytes: 0, takenAtMicros: null };
  topic.append(0, { kind: 'requested', ...about, registryId });
  topic.append(0, { kind: 'began', ...about, registryId, attempt: 1, asOf, restart: false, encoding: 'rows', ...estimates });
  topic.append(0, { kind: 'chunk-began', ...about, attempt: 1, chunk: { index: 0, locator: '', keys: null }, lane: 0 });
  topic.append(1, { kind: 'rows', ...of, seq: 0, rows: 1, bytes });
  topic.append(1, end);
  topic.append(0, end);
  topic.append(0, { kind: 'ended', ...about, attempt: 1, chunks: 1 });
}

test('rows of a load of which an earlier session has heard everything wait no longer than its table is being prepared', async () => {
  const topic = new MemoryTopic();
  // The first session reads both, and leaves the second table's rows.
  appendLoad(topic, 'b', '0.2');
  appendLoad(topic, 'a', '0.1');
  const [stop, prepared] = [new AbortController(), deferred()];
  const loaded: string[] = [];
  const consumer = new LoadConsumer({
    topic,
    sink: {
      prepare: async ({ source }) => {
        if (source.table === 'b') await prepared.promise;
        return [];
      },
      load: async (chunk) => {
        for await (const { bytes } of chunk.parts) loaded.push(Buffer.from(bytes).toString());
        return true;
      },
      finishLoad: () => Promise.resolve({ chunksApplied: [], asOf }),
      setAside: () => Promise.reject(new Error('no load fails')),
    },
    mapper: { map: (version) => ({ version, mapKeys: (keys) => keys, mapParts: ({ parts }) => parts }) },
    preparation: 'DO_NOTHING',
    isPast: () => false,
    onChunk: () => undefined,
    onTable: () => undefined,
    version: (id) => Promise.resolve(versionOf(id.toString(36))),
    signal: stop.signal,
  });
  const target = new Target();
  target.name('a', '0.1');
  await consumer.session(target.progress(), () => undefined);
  target.tables.delete('a');
  target.name('b', '0.2');
  const second = consumer.session(target.progress(), () => undefined);
  // By then the lane has brought the rows, and they wait.
  for (let turns = 0; turns < 100; turns++) await turn();
  prepared.resolve();
  await second;
  expect(loaded).toEqual(['0.1', '0.2']);
});
