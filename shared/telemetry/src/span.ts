import { type Attributes, SpanStatusCode, trace } from '@opentelemetry/api';

const tracer = trace.getTracer('millrace');

/**
 * Runs the work inside an OpenTelemetry span: one per chunk, group and block send. Without an SDK registered by whoever runs
 * Millrace this costs a function call; attributes hold names and numbers, never row values.
 */
export function inSpan<T>(
  name: 'load.chunk' | 'apply.group' | 'journal.send',
  attributes: Attributes,
  work: () => Promise<T>,
): Promise<T> {
  return tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
