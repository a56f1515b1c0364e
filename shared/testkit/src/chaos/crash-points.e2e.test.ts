import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crashOnceAt } from '../crash-points.js';
import { type PostgresServer, removeFolder, scratchFolder, startPostgres } from '../servers.js';
import { openTask } from './task-under-test.js';

/** Each place of the product's `crashPoint(name)`, at which time it is met with something to lose. */
const POINTS = [
  'capture-claimed',
  'capture-attached',
  'capture-in-force:1',
  'capture-in-force:20',
  'load-began:3',
  'load-rows:2',
  'load-ended:1',
  'table-prepared:2',
  'chunk-applied:2',
  'load-finished:1',
  'load-finished:6',
  'group-read:1',
  'group-read:20',
  'target-commit:10',
  'group-applied:1',
  'group-applied:20',
  'before-trim',
  'load-trimmed',
  'journal-trimmed',
];

// A server of its own: a slot's snapshot waits for every transaction of its server, so also for a chunk that the sink holds open.
let dir: string;
let target: PostgresServer;

beforeAll(async () => {
  dir = await scratchFolder();
  target = await startPostgres({ dir: join(dir, 'target'), settings: { fsync: 'off' }, report: () => undefined });
});

afterAll(async () => {
  await target[Symbol.asyncDispose]();
  await removeFolder(dir);
});

test.for(POINTS)('a worker that is killed at %s is started again, and nothing is lost, doubled or torn', async (point) => {
  await using task = await openTask({ addresses: { TARGET_URL: target.url } });
  const crashed = join(task.dir, 'crashed');
  const stop = new AbortController();
  const steps = task.steps(100, stop.signal);
  // Nothing is kept for people: whatever a restart needs must not be among what is freed.
  const run = task.command(['run'], { ...crashOnceAt(point, crashed), MILLRACE_JOURNAL_RETENTION_HOURS: '0' });
  try {
    await run.line(`a worker to die at ${point}`, ({ event, cause }) => event === 'restarting' && cause === 'SIGKILL', 60_000);
  } finally {
    stop.abort();
    await steps;
  }
  await access(crashed);
  await task.untilEqual(run, 60_000);
  expect(await run.stop()).toMatchObject({ code: 0, last: { event: 'stopped', reason: 'signal' } });
  await task.verify();
});
