import { Kafka, logLevel } from 'kafkajs';

/** Topics of one partition each on a local broker. */
export interface Topics extends AsyncDisposable {
  create(names: readonly string[]): Promise<void>;
  remove(names: readonly string[]): Promise<void>;
  /** Records that have been written to the topics, all together. */
  written(names: readonly string[]): Promise<number>;
}

export async function openTopics(brokers: string): Promise<Topics> {
  const admin = new Kafka({ clientId: 'millrace-topics', brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  return {
    async create(names) {
      await admin.createTopics({ topics: names.map((topic) => ({ topic, numPartitions: 1 })), waitForLeaders: true });
    },
    async remove(names) {
      await admin.deleteTopics({ topics: [...names] });
    },
    async written(names) {
      const ends = await Promise.all(names.map((name) => admin.fetchTopicOffsets(name)));
      return ends.flat().reduce((sum, { offset }) => sum + Number(offset), 0);
    },
    async [Symbol.asyncDispose]() {
      await admin.disconnect();
    },
  };
}
