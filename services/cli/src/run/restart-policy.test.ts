import { expect, test } from 'vitest';
import type { FromWorker } from '../worker/messages.js';
import { RestartPolicy } from './restart-policy.js';

const CHUNK: FromWorker = {
  kind: 'capture',
  status: { kind: 'chunk', table: { schema: 'public', table: 't' }, rows: 1 },
};
const CLAIMED: FromWorker = { kind: 'capture', status: { kind: 'claimed', epoch: 1n, journal: 'j' } };

const deaths = (policy: RestartPolicy, count: number): (number | null)[] => Array.from({ length: count }, () => policy.died(0));

test('a worker that dies again and again is started with pauses that grow to 8 s', () => {
  expect(deaths(new RestartPolicy(600_000, 0), 8)).toEqual([0, 400, 800, 1_600, 3_200, 6_400, 8_000, 8_000]);
});

test('one that got somewhere in between is started at once; a claim alone is nowhere', () => {
  const policy = new RestartPolicy(600_000, 0);
  deaths(policy, 3);
  policy.heard(CLAIMED, 0);
  expect(policy.died(0)).toBe(1_600);
  policy.heard(CHUNK, 0);
  expect(deaths(policy, 2)).toEqual([0, 400]);
});

test('one that got nowhere for the whole outage time is given up', () => {
  const policy = new RestartPolicy(600_000, 0);
  expect(policy.died(600_000)).not.toBeNull();
  policy.heard(CLAIMED, 600_000);
  expect(policy.died(600_001)).toBeNull();
  policy.heard(CHUNK, 600_001);
  expect(policy.died(1_200_000)).toBe(0);
});
