import { expect, test } from 'vitest';
import type { FromWorker } from '../worker/messages.js';
import { RestartPolicy } from './restart-policy.js';

const chunk = (index: number): FromWorker => ({
  kind: 'capture',
  status: { kind: 'chunk', table: { schema: 'public', table: 't' }, load: '1.1', index, rows: 1 },
});
const CLAIMED: FromWorker = { kind: 'capture', status: { kind: 'claimed', epoch: 1n, journal: 'j' } };
const HEARTBEAT: FromWorker = {
  kind: 'capture',
  status: { kind: 'in-force', position: { source: 's', timeline: 1, key: '05' }, lagMs: 0, committed: false },
};

/** Starts it, lets it say the messages, and ends it. */
function live(policy: RestartPolicy, [startedMs, endedMs]: readonly [number, number], ...messages: FromWorker[]): number | null {
  policy.started(startedMs);
  for (const message of messages) policy.heard(message);
  return policy.died(endedMs);
}

test('a worker that dies again and again is started with pauses that grow to 8 s', () => {
  const policy = new RestartPolicy(600_000);
  const pauses = Array.from({ length: 8 }, () => live(policy, [0, 0]));
  expect(pauses).toEqual([0, 400, 800, 1_600, 3_200, 6_400, 8_000, 8_000]);
});

test('one that got further in between is started at once; a claim, a heartbeat or a chunk that it had before is no further', () => {
  const policy = new RestartPolicy(600_000);
  expect(live(policy, [0, 0], chunk(3))).toBe(0);
  expect(live(policy, [0, 0], CLAIMED)).toBe(400);
  expect(live(policy, [0, 0], HEARTBEAT)).toBe(800);
  expect(live(policy, [0, 0], chunk(3))).toBe(1_600);
  expect(live(policy, [0, 0], chunk(4))).toBe(0);
  expect(live(policy, [0, 0])).toBe(400);
});

test('one that dies without getting further for the whole outage time is given up', () => {
  const policy = new RestartPolicy(600_000);
  expect(live(policy, [0, 1_000], chunk(0))).toBe(0);
  expect(live(policy, [300_000, 601_000], chunk(0))).not.toBeNull();
  expect(live(policy, [601_000, 601_001], chunk(0))).toBeNull();
});

test('one that lived longer than the outage time counts anew', () => {
  const policy = new RestartPolicy(600_000);
  expect(live(policy, [0, 1])).toBe(0);
  expect(live(policy, [1, 600_002])).toBe(0);
});
