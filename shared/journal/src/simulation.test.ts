import { describe, expect, test } from 'vitest';
import type { ReaderState } from './rules/reader-rules.js';
import { advance, beginningOfJournal } from './rules/reader-rules.js';
import type { RecordHeader } from './rules/record-header.js';
import { Simulation } from './testing/simulation.js';
import { PRODUCT, type Rules, type Scenario } from './testing/simulation-model.js';

const NO_FAULTS = { copies: 0, slotBack: 0, failover: 0, trims: 0, truncations: 0 };
const ORDINARY: Scenario = {
  name: 'takeovers, crashes, lost replies, late copies',
  captures: 4,
  sinks: 2,
  steps: 160,
  faults: { ...NO_FAULTS, copies: 3 },
  sharedSource: false,
  mayEndIn: [],
};
const SLOT_BACK: Scenario = { ...ORDINARY, name: 'and the slot goes back', faults: { ...ORDINARY.faults, slotBack: 2 } };
const SHARED: Scenario = { ...ORDINARY, name: 'a source without an exclusive slot', sharedSource: true };
const TRIMS: Scenario = { ...ORDINARY, name: 'and the log is trimmed', faults: { ...ORDINARY.faults, trims: 2 } };
const FAILOVER: Scenario = {
  ...ORDINARY,
  name: 'a failover that loses the slot',
  faults: { ...ORDINARY.faults, failover: 1 },
  mayEndIn: ['SOURCE_LOG_GAP'],
};
const TRUNCATION: Scenario = {
  ...ORDINARY,
  name: 'the log loses its end',
  captures: 2,
  faults: { ...NO_FAULTS, truncations: 1 },
  mayEndIn: [
    'JOURNAL_TRUNCATED',
    'JOURNAL_REWRITTEN',
    'JOURNAL_INCONSISTENT',
    'JOURNAL_NO_ANCHOR',
    'JOURNAL_FOREIGN',
    'SOURCE_LOG_GAP',
  ],
};
const HISTORIES = 3_000;

interface Finding {
  readonly verdict: string;
  readonly seed: number;
}

function firstFinding(scenario: Scenario, rules: Rules, histories: number): Finding | null {
  for (let seed = 1; seed <= histories; seed++) {
    const verdict = new Simulation(scenario, rules, seed).run();
    if (verdict !== null) return { verdict, seed };
  }
  return null;
}

describe("with the product's rules every history keeps the invariants and comes to its end", () => {
  test.each([ORDINARY, SLOT_BACK, SHARED, TRIMS, FAILOVER, TRUNCATION])('$name', (scenario) => {
    expect(firstFinding(scenario, PRODUCT, HISTORIES)).toBeNull();
  });
});

/** `advance` that does not see one thing: the record is changed so that the check cannot fail. */
function blind(change: (state: ReaderState, record: RecordHeader) => RecordHeader): Pick<Rules, 'advance'> {
  return { advance: (state, record) => advance(state, change(state, record)) };
}

const seqIgnored = blind((state, record) =>
  record.kind === 'block' && record.epoch === state.epoch ? { ...record, seq: state.seq + 1n } : record,
);
const epochIgnored = blind((state, record) =>
  record.kind === 'block' ? { ...record, epoch: state.epoch, seq: state.seq + 1n } : record,
);
const chainIgnored = blind((state, record) => (record.kind === 'block' ? { ...record, after: state.position } : record));

describe('each rule is needed: without it a history breaks an invariant', () => {
  const bugs: readonly { readonly bug: string; readonly scenario: Scenario; readonly rules: Partial<Rules> }[] = [
    {
      bug: 'a gap is judged by a capture that is fenced already',
      scenario: ORDINARY,
      rules: { judgeGap: (_fenced, acknowledged, position) => PRODUCT.judgeGap(false, acknowledged, position) },
    },
    { bug: 'a capture acknowledges what Kafka holds, in force or not', scenario: SHARED, rules: { acknowledges: 'durable' } },
    { bug: 'a capture acknowledges before the reply', scenario: ORDINARY, rules: { acknowledges: 'before-reply' } },
    { bug: 'the tail is read before the Takeover is written', scenario: ORDINARY, rules: { tailIsReadAfterTakeover: false } },
    {
      bug: 'the epoch is the highest one plus one, which two starters may share',
      scenario: ORDINARY,
      rules: {
        epochForClaim: (_end, records) => records.reduce((highest, { epoch }) => (epoch > highest ? epoch : highest), -1n) + 1n,
        judgeClaim: () => 'in-force',
      },
    },
    { bug: 'every claim counts', scenario: ORDINARY, rules: { judgeClaim: () => 'in-force' } },
    { bug: 'readers do not look at the sequence numbers', scenario: ORDINARY, rules: seqIgnored },
    { bug: 'readers do not look at epochs', scenario: ORDINARY, rules: epochIgnored },
    {
      bug: 'readers do not check where a block continues, and re-sent transactions are not dropped',
      scenario: SLOT_BACK,
      rules: { ...chainIgnored, dropsTransactionsAtOrBelowPosition: false },
    },
    {
      bug: 'transactions at or below the position are not dropped',
      scenario: SLOT_BACK,
      rules: { dropsTransactionsAtOrBelowPosition: false },
    },
    {
      bug: 'an unfinished transaction is kept at a Takeover',
      scenario: ORDINARY,
      rules: {
        advance: (state, record) => {
          const decision = advance(state, record);
          return decision.kind === 'takeover' ? { ...decision, abandons: false } : decision;
        },
      },
    },
    {
      bug: 'a writer does not look between its records',
      scenario: ORDINARY,
      rules: { judgeReply: () => ({ kind: 'in-force' }) },
    },
    { bug: 'the checkpoint moves after the data', scenario: ORDINARY, rules: { checkpointMovesWithData: false } },
    { bug: 'the checkpoint is not guarded', scenario: ORDINARY, rules: { guardsCheckpoint: false } },
    { bug: 'no gap is judged', scenario: FAILOVER, rules: { judgeGap: (fenced) => (fenced ? 'fenced' : 'stream') } },
    {
      bug: 'the tail begins at the newest block, certain or not',
      scenario: ORDINARY,
      rules: { tailStart: (records, start) => PRODUCT.tailStart(records.map(certain), start) },
    },
    {
      bug: 'the log is trimmed up to the slowest reader',
      scenario: TRIMS,
      rules: { trimPoint: (_records, [next]) => next ?? null },
    },
    {
      bug: 'a reader goes on where the log now ends',
      scenario: TRUNCATION,
      rules: { checkBounds: () => 'inside', judgeReply: () => ({ kind: 'in-force' }), ...chainIgnored },
    },
  ];

  test.each(bugs)('$bug', ({ scenario, rules }) => {
    expect(firstFinding(scenario, { ...PRODUCT, ...rules }, HISTORIES)).not.toBeNull();
  });
});

function certain(record: RecordHeader): RecordHeader {
  return record.kind === 'block' ? { ...record, prev: record.offset - 1n } : record;
}

test('a log that was cut off and written anew below a checkpoint is noticed', () => {
  const journal = 'j';
  const state: ReaderState = { ...beginningOfJournal(4n), journal, epoch: 2n, seq: 0n };
  const block: RecordHeader = {
    kind: 'block',
    offset: 4n,
    journal,
    epoch: 1n,
    seq: 2n,
    prev: 3n,
    after: null,
    slice: null,
    upTo: null,
  };
  expect(advance(state, block)).toMatchObject({ kind: 'error', error: { code: 'JOURNAL_REWRITTEN' } });
});
