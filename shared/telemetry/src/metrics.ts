import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** DMS's metric names in Prometheus form, and what DMS has no name for. Values in the units that the names say. */
export class TaskMetrics {
  readonly registry = new Registry();
  readonly cdcLatencySource = this.#gauge(
    'cdc_latency_source_seconds',
    'CDCLatencySource: age of the last change that the journal holds',
  );
  readonly cdcLatencyTarget = this.#gauge(
    'cdc_latency_target_seconds',
    'CDCLatencyTarget: age of the last change that the target holds',
  );
  readonly cdcThroughputRowsTarget = this.#counter(
    'cdc_throughput_rows_target_total',
    'CDCThroughputRowsTarget: row changes applied',
  );
  readonly cdcTransactionsTarget = this.#counter('cdc_transactions_target_total', 'Source transactions applied');
  readonly fullLoadRowsSource = this.#counter(
    'full_load_throughput_rows_source_total',
    'FullLoadThroughputRowsSource: rows read from the source',
  );
  readonly fullLoadRowsTarget = this.#counter(
    'full_load_throughput_rows_target_total',
    'FullLoadThroughputRowsTarget: rows written to the target',
  );
  readonly retainedLogBytes = this.#gauge('source_retained_log_bytes', 'Log that the source keeps for this task');
  readonly workerRestarts = this.#counter('worker_restarts_total', 'Workers that died and were started again', ['role']);
  readonly errors = this.#counter('errors_total', 'Errors by code, retried ones included', ['code']);

  constructor(task: string) {
    this.registry.setDefaultLabels({ task });
    collectDefaultMetrics({ register: this.registry, prefix: 'millrace_' });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name: `millrace_${name}`, help, registers: [this.registry] });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: `millrace_${name}`, help, labelNames, registers: [this.registry] });
  }
}

/** Serves `/metrics` on loopback until the server is closed. */
export async function serveMetrics(metrics: TaskMetrics, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end('Only /metrics is here.\n');
      return;
    }
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  server.unref();
  return server;
}
