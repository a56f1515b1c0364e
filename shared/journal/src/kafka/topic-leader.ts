import { MillraceError } from '@millrace/errors/millrace-error.js';
import type Cluster from 'kafkajs/src/cluster/index.js';

/** Id of the broker that leads the partition, as the last metadata say. @throws MillraceError TOPIC_MISSING */
export function leaderOf(cluster: Pick<Cluster, 'findLeaderForPartitions'>, topic: string, partition: number): string {
  const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (leader === undefined) throw new MillraceError('TOPIC_MISSING', { topic });
  return leader;
}
