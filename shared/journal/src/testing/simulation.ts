import type { Checkpoint } from '@millrace/contract/position.js';
import { beginningOfJournal, type ReaderState, stateOfCheckpoint } from '../rules/reader-rules.js';
import { isCertain, type RecordHeader } from '../rules/record-header.js';
import { Random } from './random.js';
import { at, numberOf } from './sample-blocks.js';
import {
  type Capture,
  type Faults,
  type Group,
  headerOf,
  type LogEntry,
  type Message,
  newCapture,
  type Piece,
  pieceText,
  type Rules,
  type Scenario,
  type Sink,
  sameCheckpoint,
} from './simulation-model.js';

type Step = () => void;

/** What broke; null: everything held. */
export type Verdict = string | null;

/** One seeded history of captures, journal, sinks and target. */
export class Simulation {
  readonly #scenario: Scenario;
  readonly #rules: Rules;
  readonly #random: Random;
  /** Slices of each source transaction; transaction n is entry n − 1. */
  readonly #transactions: readonly number[];
  readonly #expected: readonly string[];
  readonly #log: LogEntry[] = [];
  readonly #captures: Capture[];
  readonly #sinks: Sink[];
  readonly #target: string[] = [];
  readonly #network: Message[] = [];
  #faults: Faults;
  #start = 0;
  #slot = 0;
  #owner = -1;
  #nonces = 0;
  #checkpoint: Checkpoint | null = null;
  #error: string | null = null;
  #broken: Verdict = null;
  /** Something that had been acknowledged is gone: from here on only the target's order must hold. */
  #lost = false;

  constructor(scenario: Scenario, rules: Rules, seed: number) {
    this.#scenario = scenario;
    this.#rules = rules;
    this.#random = new Random(seed);
    this.#transactions = Array.from({ length: 3 + this.#random.below(5) }, () =>
      this.#random.below(3) === 0 ? 2 + this.#random.below(2) : 1,
    );
    this.#expected = this.#transactions.flatMap((slices, index) =>
      Array.from({ length: slices }, (_, slice) => pieceText({ tx: index + 1, slice })),
    );
    this.#captures = Array.from({ length: scenario.captures }, newCapture);
    this.#sinks = Array.from({ length: scenario.sinks }, () => ({ prepared: null, owes: null }));
    this.#faults = { ...scenario.faults };
  }

  run(): Verdict {
    for (let n = 0; n < this.#scenario.steps && this.#goesOn(); n++) {
      const steps = this.#steps(true);
      const step = steps[this.#random.below(steps.length)];
      if (step === undefined) break;
      step();
      this.#check();
    }
    if (this.#goesOn()) this.#finish();
    return this.#broken;
  }

  /** Fair completion: late messages land, one capture and one sink are left alone; everything must arrive, or an error be said. */
  #finish(): void {
    for (const capture of this.#captures) if (capture.status !== 'off') this.#die(capture);
    for (const message of this.#network.splice(0)) this.#append(message);
    this.#owner = -1;
    this.#captures.splice(0, this.#captures.length, newCapture());
    this.#sinks.splice(0, this.#sinks.length, { prepared: null, owes: null });
    this.#faults = { copies: 0, slotBack: 0, failover: 0, trims: 0, truncations: 0 };
    for (let n = 0; n < 400 && this.#goesOn() && this.#target.length < this.#expected.length; n++) {
      const steps = this.#steps(false);
      const step = steps[n % Math.max(1, steps.length)];
      if (step === undefined) break;
      step();
      this.#check();
    }
    if (!this.#goesOn() || this.#target.length === this.#expected.length) return;
    this.#broken = `${this.#lost ? 'silent loss' : 'no progress'}: the target stays at ${this.#target.join(' ')}`;
  }

  #goesOn(): boolean {
    return this.#error === null && this.#broken === null;
  }

  #check(): void {
    if (this.#target.some((piece, index) => piece !== this.#expected[index]))
      this.#broken ??= `the target is no prefix: ${this.#target.join(' ')}`;
    if (this.#error !== null && !this.#scenario.mayEndIn.includes(this.#error)) this.#broken ??= `false alarm: ${this.#error}`;
    this.#checkAcknowledged();
  }

  #checkAcknowledged(): void {
    if (this.#lost || this.#broken !== null) return;
    const { pieces } = this.#read(beginningOfJournal(0n), this.#log.length, 0);
    const held = pieces.at(-1)?.tx ?? 0;
    if (this.#slot > held) this.#broken = `acknowledged ${this.#slot}, the journal holds ${held}`;
  }

  /** After each append: what a reader from the beginning finds, whatever was trimmed. */
  #checkJournal(): void {
    if (this.#lost || this.#broken !== null) return;
    const { pieces, error, taken } = this.#read(beginningOfJournal(0n), this.#log.length, 0);
    const texts = pieces.map(pieceText);
    const untrue = this.#log.find(({ header }) => header.kind === 'block' && isCertain(header) && !taken.has(header.offset));
    if (error !== null) this.#broken = `the journal is unreadable: ${error}`;
    else if (texts.some((piece, index) => piece !== this.#expected[index]))
      this.#broken = `the journal is no prefix: ${texts.join(' ')}`;
    else if (untrue !== undefined) this.#broken = `block ${untrue.header.offset} is certain, and not in force`;
  }

  #steps(faulty: boolean): Step[] {
    const steps: Step[] = [];
    for (const [index, capture] of this.#captures.entries()) this.#captureSteps(steps, index, capture, faulty);
    for (const message of this.#network) this.#networkSteps(steps, message, faulty);
    for (const sink of this.#sinks) this.#sinkSteps(steps, sink, faulty);
    if (faulty && this.#random.below(8) === 0) this.#faultSteps(steps);
    return steps;
  }

  #captureSteps(steps: Step[], index: number, capture: Capture, faulty: boolean): void {
    const { status } = capture;
    if (status === 'off' && this.#captures[index - 1]?.status !== 'off') steps.push(() => this.#startCapture(capture));
    if (status === 'claim') steps.push(() => this.#claim(index, capture));
    if (status === 'waiting' && this.#ownTakeover(capture) !== undefined) steps.push(() => this.#readTail(capture));
    if (status === 'attach') steps.push(() => this.#attach(index, capture));
    if (status === 'judge') steps.push(() => this.#judge(capture));
    if (status === 'running' && capture.position < this.#transactions.length) steps.push(() => this.#send(index, capture));
    const streams = status === 'running' || status === 'sent';
    if (streams && capture.acknowledgeable > this.#slot && (capture.connected || this.#scenario.sharedSource)) {
      steps.push(() => {
        this.#slot = capture.acknowledgeable;
      });
    }
    if (faulty && status !== 'off' && status !== 'dead' && this.#random.below(10) === 0) steps.push(() => this.#die(capture));
  }

  #networkSteps(steps: Step[], message: Message, faulty: boolean): void {
    steps.push(() => {
      this.#network.splice(this.#network.indexOf(message), 1);
      this.#reply(message, this.#append(message));
    });
    if (!faulty) return;
    if (this.#faults.copies > 0) {
      // The reply is lost, and the same bytes go again; or an earlier copy turns up late.
      steps.push(() => {
        this.#faults.copies--;
        this.#append(message);
      });
    }
    if (this.#captures[message.from]?.inFlight !== message)
      steps.push(() => void this.#network.splice(this.#network.indexOf(message), 1));
  }

  #faultSteps(steps: Step[]): void {
    const faults = this.#faults;
    if (faults.slotBack > 0 && this.#slot > 0) {
      steps.push(() => {
        faults.slotBack--;
        this.#slot = this.#random.below(this.#slot);
        this.#loseSource();
      });
    }
    if (faults.failover > 0) {
      steps.push(() => {
        faults.failover--;
        this.#slot = this.#transactions.length;
        this.#lost = true;
        this.#loseSource();
      });
    }
    if (faults.trims > 0) steps.push(() => this.#trim());
    if (faults.truncations > 0 && this.#log.length > this.#start + 2) {
      steps.push(() => {
        faults.truncations--;
        this.#log.length -= 1 + this.#random.below(2);
        this.#lost = true;
      });
    }
  }

  #trim(): void {
    if (this.#checkpoint === null) return;
    const { nextOffset } = this.#checkpoint;
    const headers = this.#log.slice(this.#start, Number(nextOffset)).map(({ header }) => header);
    const point = this.#rules.trimPoint(headers, [nextOffset]);
    if (point === null || Number(point) <= this.#start) return;
    this.#faults.trims--;
    this.#start = Number(point);
  }

  /** The source ends every connection to it; the incarnations that had one are at their end. */
  #loseSource(): void {
    this.#owner = -1;
    for (const capture of this.#captures) if (capture.connected) this.#die(capture);
  }

  #die(capture: Capture): void {
    capture.status = 'dead';
    capture.connected = false;
    capture.inFlight = null;
  }

  #startCapture(capture: Capture): void {
    capture.status = 'claim';
    if (!this.#rules.tailIsReadAfterTakeover) capture.early = numberOf(this.#tail(this.#log.length)?.position ?? null);
  }

  #claim(index: number, capture: Capture): void {
    const headers = this.#log.map(({ header }) => header);
    capture.journal = headers[this.#start]?.journal ?? `journal-of-${index}`;
    capture.nonce = `nonce-${this.#nonces++}`;
    capture.epoch = this.#rules.epochForClaim(BigInt(headers.length), headers);
    capture.status = 'waiting';
    const { journal, epoch, nonce } = capture;
    capture.inFlight = {
      from: index,
      entries: [{ header: { kind: 'takeover', offset: -1n, journal, epoch, nonce }, pieces: [] }],
    };
    this.#network.push(capture.inFlight);
  }

  #ownTakeover(capture: Capture): RecordHeader | undefined {
    return this.#log.find(({ header }) => header.kind === 'takeover' && header.nonce === capture.nonce)?.header;
  }

  #readTail(capture: Capture): void {
    const own = this.#ownTakeover(capture);
    if (own?.kind !== 'takeover') return;
    if (own.offset < BigInt(this.#start)) {
      this.#die(capture);
      return;
    }
    const tail = this.#tail(Number(own.offset));
    if (tail === null) return;
    switch (this.#rules.judgeClaim(own, tail.epoch)) {
      case 'truncated':
        this.#error = 'JOURNAL_TRUNCATED';
        return;
      case 'claim-again':
        capture.status = 'claim';
        return;
      case 'in-force':
        capture.prev = own.offset;
        capture.position = this.#rules.tailIsReadAfterTakeover ? numberOf(tail.position) : capture.early;
        capture.inFlight = null;
        capture.status = 'attach';
    }
  }

  /** Where a capture that reads back from `end` finds the journal to stand; null: it found an error. */
  #tail(end: number): ReaderState | null {
    for (let span = 2; ; span *= 2) {
      const from = Math.max(this.#start, end - span);
      const headers = this.#log.slice(from, end).map(({ header }) => header);
      const begin = this.#rules.tailStart(headers, BigInt(this.#start));
      if (begin.kind === 'further-back') continue;
      if (begin.kind === 'no-anchor') {
        this.#error = 'JOURNAL_NO_ANCHOR';
        return null;
      }
      const { state, error } = this.#read(begin.state, end, this.#start);
      if (error !== null) this.#error = error;
      return error === null ? state : null;
    }
  }

  /** A newer reader of the slot ends the older one's connection; what that one has read already it may still send. */
  #attach(index: number, capture: Capture): void {
    const owner = this.#captures[this.#owner];
    if (owner !== undefined) owner.connected = false;
    this.#owner = index;
    capture.connected = true;
    capture.status = 'judge';
  }

  #judge(capture: Capture): void {
    if (capture.prev >= BigInt(this.#log.length)) {
      this.#error = 'JOURNAL_TRUNCATED';
      return;
    }
    const between = this.#rules.judgeBetween(
      capture,
      this.#log.slice(Number(capture.prev) + 1).map(({ header }) => header),
    );
    if (between.kind === 'error') {
      this.#error = between.error.code;
      return;
    }
    switch (this.#rules.judgeGap(between.kind === 'fenced', at(this.#slot), at(capture.position))) {
      case 'fenced':
        this.#die(capture);
        return;
      case 'gap':
        this.#error = 'SOURCE_LOG_GAP';
        return;
      case 'stream':
        // A slot that went back sends again what the journal has.
        if (!this.#rules.dropsTransactionsAtOrBelowPosition || capture.position < this.#slot) capture.position = this.#slot;
        capture.status = 'running';
    }
  }

  #send(index: number, capture: Capture): void {
    const entries = this.#nextBlocks(capture);
    capture.inFlight = { from: index, entries };
    capture.status = 'sent';
    this.#network.push(capture.inFlight);
    const last = entries.at(-1)?.header;
    if (this.#rules.acknowledges === 'before-reply' && last?.kind === 'block')
      capture.acknowledgeable = Math.max(capture.acknowledgeable, numberOf(last.upTo));
  }

  /** One slice, or one or two blocks of one or two whole transactions each. */
  #nextBlocks(capture: Capture): LogEntry[] {
    const tx = capture.position + 1;
    const slices = this.#transactions[capture.position] ?? 1;
    if (slices > 1) {
      const index = capture.nextSlice;
      const last = index === slices - 1;
      const slice = { index, first: index === 0 ? -1n : capture.firstSlice, last };
      return [{ header: headerOf(capture, 0n, tx - 1, { slice, upTo: last ? at(tx) : null }), pieces: [{ tx, slice: index }] }];
    }
    const entries: LogEntry[] = [];
    let next = tx;
    for (let blocks = 1 + this.#random.below(2); blocks > 0; blocks--) {
      const pieces: Piece[] = [];
      for (let count = 1 + this.#random.below(2); count > 0 && this.#transactions[next - 1] === 1; count--)
        pieces.push({ tx: next++, slice: 0 });
      const [first] = pieces;
      if (first === undefined) break;
      entries.push({
        header: headerOf(capture, BigInt(entries.length), first.tx - 1, { slice: null, upTo: at(next - 1) }),
        pieces,
      });
    }
    return entries;
  }

  #append(message: Message): number {
    const base = this.#log.length;
    for (const [index, { header, pieces }] of message.entries.entries())
      this.#log.push({ header: { ...header, offset: BigInt(base + index) }, pieces });
    this.#checkJournal();
    return base;
  }

  #reply(message: Message, base: number): void {
    const capture = this.#captures[message.from];
    if (capture?.status !== 'sent' || capture.inFlight !== message) return;
    if (!this.#isInForce(capture, BigInt(base))) return;
    const last = message.entries.at(-1)?.header;
    if (last?.kind !== 'block') return;
    capture.prev = BigInt(base + message.entries.length - 1);
    capture.seq += BigInt(message.entries.length);
    capture.inFlight = null;
    capture.status = 'running';
    if (last.slice?.index === 0) capture.firstSlice = capture.prev;
    if (last.upTo === null) {
      capture.nextSlice++;
      return;
    }
    capture.nextSlice = 0;
    capture.position = numberOf(last.upTo);
    capture.acknowledgeable = Math.max(capture.acknowledgeable, capture.position);
  }

  #isInForce(capture: Capture, base: bigint): boolean {
    const reply = this.#rules.judgeReply(capture.prev, base);
    if (reply.kind === 'in-force') return true;
    if (reply.kind === 'truncated') {
      this.#error = 'JOURNAL_TRUNCATED';
      return false;
    }
    const headers = this.#log.slice(Number(reply.from), Number(reply.to)).map(({ header }) => header);
    const between = this.#rules.judgeBetween(capture, headers);
    if (between.kind === 'in-force' || this.#rules.acknowledges === 'durable') return true;
    if (between.kind === 'error') this.#error = between.error.code;
    else this.#die(capture);
    return false;
  }

  #sinkSteps(steps: Step[], sink: Sink, faulty: boolean): void {
    const { prepared, owes } = sink;
    if (owes !== null) {
      steps.push(() => {
        this.#checkpoint = owes;
        sink.owes = null;
      });
      if (faulty) {
        steps.push(() => {
          sink.owes = null;
        });
      }
    } else if (prepared === null) {
      steps.push(() => this.#prepareGroup(sink));
    } else {
      steps.push(() => this.#commit(sink, prepared));
      if (faulty) {
        steps.push(() => {
          sink.prepared = null;
        });
      }
    }
  }

  #commit(sink: Sink, { from, next, pieces }: Group): void {
    sink.prepared = null;
    if (this.#rules.guardsCheckpoint && !sameCheckpoint(this.#checkpoint, from)) return;
    this.#target.push(...pieces.map(pieceText));
    if (this.#rules.checkpointMovesWithData) this.#checkpoint = next;
    else sink.owes = next;
  }

  /** Reads from the target's checkpoint and takes the blocks up to some Commit as its next group. */
  #prepareGroup(sink: Sink): void {
    const oldest = this.#log[this.#start];
    if (this.#checkpoint === null) {
      if (oldest === undefined) return;
      this.#checkpoint = { journal: oldest.header.journal, epoch: -1n, seq: -1n, nextOffset: 0n, position: null };
    }
    const from = this.#checkpoint;
    const place = this.#rules.checkBounds(from.nextOffset, { start: BigInt(this.#start), end: BigInt(this.#log.length) });
    if (place !== 'inside') {
      this.#error = place === 'trimmed' ? 'JOURNAL_TRIMMED' : 'JOURNAL_TRUNCATED';
      return;
    }
    const { groups, error } = this.#read(stateOfCheckpoint(from), this.#log.length, this.#start);
    const group = groups[this.#random.below(groups.length)];
    if (group !== undefined) sink.prepared = { from, ...group };
    else if (error !== null) this.#error = error;
  }

  /** Reads forward by the reader's rules. `groups`: every place where a group could end, with what lies up to it. */
  #read(begin: ReaderState, end: number, start: number) {
    let state = begin;
    let open: Piece[] = [];
    let error: string | null = null;
    const pieces: Piece[] = [];
    const taken = new Set<bigint>();
    const groups: { readonly next: Checkpoint; readonly pieces: readonly Piece[] }[] = [];
    for (const { header, pieces: content } of this.#log.slice(Math.max(Number(state.nextOffset), start), end)) {
      const decision = this.#rules.advance(state, header);
      if (decision.kind === 'error') {
        error = decision.error.code;
        break;
      }
      state = decision.state;
      if (decision.kind === 'takeover' && decision.abandons) open = [];
      if (decision.kind !== 'apply') continue;
      taken.add(header.offset);
      open.push(...content);
      if (state.nextSlice !== null) continue;
      pieces.push(...open);
      open = [];
      const { journal, epoch, seq, nextOffset, position } = state;
      groups.push({ next: { journal: journal ?? '', epoch, seq, nextOffset, position }, pieces: [...pieces] });
    }
    return { state, pieces, taken, groups, error };
  }
}
