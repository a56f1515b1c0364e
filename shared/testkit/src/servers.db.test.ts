import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { createDatabase, sharedServers, uniqueTopicPrefix, withClient } from './servers.js';

test('each test gets an empty database of its own on a server with logical replication, and disposing drops it with its slots', async () => {
  const admin = await sharedServers().postgres();
  let name: string;
  {
    await using database = await createDatabase();
    name = database.name;
    await withClient(database.url, async (client) => {
      const { rows } = await client.query("SELECT current_database(), current_setting('wal_level') AS wal_level");
      expect(rows).toEqual([{ current_database: name, wal_level: 'logical' }]);
      await client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [`slot_of_${name}`]);
    });
  }
  await withClient(admin, async (client) => {
    const { rows } = await client.query(
      'SELECT (SELECT count(*) FROM pg_database WHERE datname = $1) + (SELECT count(*) FROM pg_replication_slots WHERE database = $1) AS left',
      [name],
    );
    expect(rows).toEqual([{ left: '0' }]);
  });
});

test('the shared Kafka takes topics and holds no others than those asked for', async () => {
  const topic = uniqueTopicPrefix();
  const kafka = new Kafka({ brokers: (await sharedServers().kafka()).split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    expect(await admin.listTopics()).toContain(topic);
    await expect(admin.fetchTopicMetadata({ topics: [`${topic}-unknown`] })).rejects.toThrow(
      'This server does not host this topic-partition',
    );
  } finally {
    await admin.disconnect();
  }
});

test('the shared registry answers the Confluent protocol with one id for one schema', async () => {
  const host = await sharedServers().registry();
  const subject = uniqueTopicPrefix();
  const register = async (): Promise<unknown> => {
    const response = await fetch(`${host}/subjects/${subject}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: '"long"' }),
    });
    if (!response.ok) throw new MillraceError('INTERNAL', { what: `registry said ${response.status}` });
    return await response.json();
  };
  const first = await register();
  expect(first).toEqual({ id: expect.any(Number) });
  expect(await register()).toEqual(first);
});
