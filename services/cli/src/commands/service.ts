import { randomUUID } from 'node:crypto';
import type { TaskConfig } from '@millrace/config/task-options.js';
import { createLogger } from '@millrace/telemetry/log.js';
import { refusalExitCode } from '../exit-code.js';
import { describeFailure, failureText } from '../failure.js';
import { stopWithParent } from '../run/parent.js';
import { openTask } from '../task/task.js';
import { runCaptureWorker } from '../worker/capture-worker.js';
import type { FromWorker, WorkerRole } from '../worker/messages.js';
import { runSinkWorker } from '../worker/sink-worker.js';

/** `millrace capture` and `millrace sink`: one service of a task in this process, logging to stderr, until SIGINT or SIGTERM. */
export async function serviceCommand(role: WorkerRole, config: TaskConfig): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const unwatch = stopWithParent(onSignal);
  const log = createLogger({ level: config.logLevel, name: role });
  let ran = false;
  const send = (message: FromWorker): void => {
    if (message.kind === 'capture' || message.kind === 'sink') {
      ran = true;
      log.debug({ status: message.status.kind }, 'status');
    }
  };
  try {
    const task = await openTask(config);
    log.info({ task: config.name }, `${role} starts`);
    const options = { task, claimant: { run: randomUUID(), held: false }, log, send, signal: stop.signal };
    if (role === 'capture') await runCaptureWorker(options);
    else await runSinkWorker(options);
    log.info({ task: config.name }, `${role} stopped`);
    return 0;
  } catch (error) {
    log.debug({ err: error }, 'failed');
    process.stderr.write(`${failureText(describeFailure(error))}\n`);
    return ran ? 3 : refusalExitCode(error, role);
  } finally {
    unwatch();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
