import { expect, test } from 'vitest';
import { waitUntil } from '../servers.js';
import { TcpProxy } from '../tcp-proxy.js';
import { steppedClock } from './stepped-clock.js';
import { openTask } from './task-under-test.js';

// Kafka refuses records that are dated more than an hour ahead of its own clock (KIP-937), so steps are longer than that.
const FORWARD = 2;
const BACK = -2;

test('#54 a wall clock that steps forward and back by hours stops nothing, restarts nothing and loses nothing', async () => {
  await using task = await openTask();
  const clock = await steppedClock(task.dir);
  const run = task.command(['run'], clock.environment);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  for (const hours of [FORWARD, 0, BACK, FORWARD]) {
    await clock.setOff(hours);
    const stop = new AbortController();
    const steps = task.steps(50, stop.signal);
    const goal = (await task.sourceSteps()) + 20;
    await waitUntil(async () => run.outcome !== null || (await task.sourceSteps()) > goal, {
      what: `20 steps`,
      deadlineMs: 30_000,
    });
    stop.abort();
    await steps;
    await task.untilEqual(run, 60_000);
  }
  expect(run.lines.filter(({ event }) => event === 'restarting' || event === 'retrying')).toEqual([]);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

test('a step of the wall clock in the middle of an outage makes it neither longer nor shorter', async () => {
  await using task = await openTask();
  const { proxy, url } = await TcpProxy.inFrontOf(task.addresses.TARGET_URL);
  await using _proxy = proxy;
  const clock = await steppedClock(task.dir);
  const retries = (): number => run.lines.filter(({ event }) => event === 'retrying').length;
  const nextRetry = async (): Promise<void> => {
    const before = retries();
    await waitUntil(() => run.outcome !== null || retries() > before, { what: 'another try', deadlineMs: 30_000 });
  };
  const run = task.command(['run', '--target', url], { ...clock.environment, MILLRACE_OUTAGE_MINUTES: '0.3' });
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);

  proxy.refuse();
  proxy.reset();
  await nextRetry();
  await clock.setOff(FORWARD);
  await nextRetry();
  await nextRetry();
  expect(run.outcome, '18 s are not over').toBeNull();
  proxy.heal();
  await task.untilEqual(run, 60_000);

  proxy.refuse();
  proxy.reset();
  await nextRetry();
  await clock.setOff(BACK);
  const { code, last } = await run.ended;
  expect({ code, last }).toMatchObject({ code: 3, last: { reason: 'failed', error: { code: 'ENDPOINT_UNREACHABLE' } } });
});
