import type { Server } from 'node:http';
import type { TaskConfig } from '@millrace/config/task-options.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { serveMetrics, TaskMetrics } from '@millrace/telemetry/metrics.js';
import type { FromWorker, WorkerRole } from '../worker/messages.js';

/** Null without `--metrics-port`. @throws MillraceError METRICS_PORT where the port cannot be had. */
export async function openRunMetrics({
  name,
  metricsPort,
}: Pick<TaskConfig, 'name' | 'metricsPort'>): Promise<RunMetrics | null> {
  if (metricsPort === undefined) return null;
  const metrics = new TaskMetrics(name);
  const server = await serveMetrics(metrics, metricsPort).catch((cause: unknown) => {
    throw new MillraceError(
      'METRICS_PORT',
      { port: metricsPort, reason: cause instanceof Error ? cause.message : String(cause) },
      { cause },
    );
  });
  return new RunMetrics(metrics, server);
}

/** Folds the workers' messages into what `/metrics` shows while the run lasts. */
export class RunMetrics implements AsyncDisposable {
  constructor(
    private readonly metrics: TaskMetrics,
    private readonly server: Server,
  ) {}

  take(message: FromWorker): void {
    switch (message.kind) {
      case 'capture':
        this.#capture(message);
        return;
      case 'sink':
        this.#sink(message);
        return;
      case 'retrying':
      case 'failed':
        this.metrics.errors.inc({ code: message.failure.code });
        return;
      case 'alive':
      case 'stopped':
        return;
    }
  }

  restarted(role: WorkerRole): void {
    this.metrics.workerRestarts.inc({ role });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  #capture({ status }: Extract<FromWorker, { kind: 'capture' }>): void {
    if (status.kind === 'in-force') this.metrics.cdcLatencySource.set(status.lagMs / 1_000);
    else if (status.kind === 'chunk') this.metrics.fullLoadRowsSource.inc(status.rows);
    else if (status.kind === 'retained-log') this.metrics.retainedLogBytes.set(status.bytes);
  }

  #sink({ status }: Extract<FromWorker, { kind: 'sink' }>): void {
    if (status.kind === 'chunk') this.metrics.fullLoadRowsTarget.inc(status.rows);
    if (status.kind !== 'applied') return;
    this.metrics.cdcThroughputRowsTarget.inc(status.result.rows);
    this.metrics.cdcTransactionsTarget.inc(status.result.transactions);
    this.metrics.cdcLatencyTarget.set(status.lagMs / 1_000);
  }
}
