import { exists } from './artifact.js';
import { newestJava } from './java.js';
import { kafkaFolder } from './kafka.js';
import { requireMaven } from './maven.js';
import { registryFolder } from './registry.js';

/**
 * Checks what Kafka and the schema registry need of this machine: Java, and Maven where they are not fetched yet. PostgreSQL needs
 * nothing: it comes from npm where it is not installed.
 *
 * @throws MillraceError `LOCAL_PREREQUISITE_MISSING`
 */
export async function checkPrerequisites(environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  const needsKafka = !isGiven(environment['KAFKA_BROKERS']);
  const needsRegistry = !isGiven(environment['SCHEMA_REGISTRY_URL']);
  if (!needsKafka && !needsRegistry) return;
  const java = await newestJava();
  const fetched = await Promise.all([
    ...(needsKafka ? [kafkaFolder()] : []),
    ...(needsRegistry ? [Promise.resolve(registryFolder(java))] : []),
  ]);
  const present = await Promise.all(fetched.map(exists));
  if (present.includes(false)) await requireMaven();
}

function isGiven(address: string | undefined): boolean {
  return address !== undefined && address !== '';
}
