import { assertNever } from '@millrace/errors/millrace-error.js';
import { createLogger } from '@millrace/telemetry/log.js';
import { describeFailure } from '../failure.js';
import { openTask } from '../task/task.js';
import { runCaptureWorker } from './capture-worker.js';
import type { FromWorker, StartWorker, ToWorker } from './messages.js';
import { runSinkWorker } from './sink-worker.js';

const ALIVE_EVERY_MS = 2_000;

// The process that hosts one service of a task. Its parent starts it over the channel; when the channel closes (the parent
// is gone, however it went) it stops: nothing goes on replicating unwatched.
const stop = new AbortController();
const send = (message: FromWorker): void => {
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
};

process.on('disconnect', () => stop.abort());
process.on('SIGTERM', () => stop.abort());
// A terminal's Ctrl-C reaches the whole process group; the parent decides what it means.
process.on('SIGINT', () => undefined);
process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'start':
      run(message).catch((error: unknown) => {
        send({ kind: 'failed', failure: describeFailure(error) });
        process.exitCode = 1;
        stop.abort();
      });
      return;
    case 'stop':
      stop.abort();
      return;
    default:
      assertNever(message);
  }
});
send({ kind: 'alive' });
setInterval(() => send({ kind: 'alive' }), ALIVE_EVERY_MS).unref();

async function run({ role, config, claimant }: StartWorker): Promise<void> {
  const log = createLogger({ level: config.logLevel, name: role });
  try {
    const task = await openTask(config);
    const options = { task, claimant, log, send, signal: stop.signal };
    if (role === 'capture') await runCaptureWorker(options);
    else await runSinkWorker(options);
    send({ kind: 'stopped' });
  } catch (error) {
    // The run tells it to people; the log has the stack, for those who ask for it.
    log.debug({ err: error }, 'gives up');
    send({ kind: 'failed', failure: describeFailure(error) });
  }
  if (process.connected) process.disconnect();
  process.exitCode = 0;
  setTimeout(() => process.exit(), 2_000).unref();
}
