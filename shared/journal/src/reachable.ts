import { KafkaClient } from './kafka/kafka-client.js';
import type { KafkaSettings } from './kafka/kafka-settings.js';
import { RegistryClient } from './registry/registry-client.js';
import type { RegistrySettings } from './registry/registry-settings.js';

/** How long one try may take; the caller decides how often it tries. */
const PATIENCE_MS = 5_000;

/**
 * Asks Kafka and the registry whether they answer, and changes nothing in either.
 * @throws MillraceError KAFKA_UNREACHABLE, KAFKA_AUTHENTICATION_FAILED, KAFKA_TLS_FAILED, REGISTRY_UNREACHABLE, REGISTRY_DENIED
 */
export async function checkReachable(
  { kafka, registry }: { readonly kafka: KafkaSettings; readonly registry: RegistrySettings },
  signal?: AbortSignal,
): Promise<void> {
  await using client = new KafkaClient(kafka, PATIENCE_MS);
  await client.admin({ what: 'describing the cluster', topic: '' }, (admin) => admin.describeCluster(), signal);
  await new RegistryClient(registry, PATIENCE_MS).subjects(signal);
}
