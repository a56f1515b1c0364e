import { expect, test } from 'vitest';
import { topicDefinition, wrongSetting } from './topic-settings.js';

const PLAN = { partitions: 1, maxMessageBytes: 1000 };

test('three brokers keep three copies, of which two are written before an answer', () => {
  for (const brokers of [3, 5]) {
    expect(topicDefinition(PLAN, brokers)).toMatchObject({ replicationFactor: 3, settings: { 'min.insync.replicas': '2' } });
    expect(topicDefinition(PLAN, brokers).settings).not.toHaveProperty('flush.messages');
  }
});

test('with fewer brokers every record is on the disk before it is acknowledged', () => {
  for (const brokers of [1, 2])
    expect(topicDefinition(PLAN, brokers)).toMatchObject({ replicationFactor: brokers, settings: { 'flush.messages': '1' } });
});

test('stricter settings than asked for are as good, weaker ones are named', () => {
  const definition = topicDefinition(PLAN, 3);
  const topic = { partitions: 1, replicationFactor: 3, settings: new Map(Object.entries(definition.settings)) };
  const withSetting = (name: string, value: string) => ({ ...topic, settings: new Map(topic.settings).set(name, value) });
  expect(wrongSetting(definition, topic, 1)).toBeNull();
  expect(wrongSetting(definition, { ...withSetting('max.message.bytes', '2000'), replicationFactor: 4 }, 1)).toBeNull();
  expect(wrongSetting(definition, withSetting('max.message.bytes', '999'), 1)).toEqual({
    setting: 'max.message.bytes',
    found: '999',
    needed: '1000 or more',
  });
  expect(wrongSetting(definition, withSetting('min.insync.replicas', '1'), 1)).toMatchObject({ setting: 'min.insync.replicas' });
  expect(wrongSetting(definition, { ...topic, replicationFactor: 2 }, 1)).toEqual({
    setting: 'replication factor',
    found: '2',
    needed: '3',
  });
  expect(wrongSetting(definition, { ...topic, settings: new Map() }, 1)).toMatchObject({
    setting: 'cleanup.policy',
    found: '(unknown)',
  });
});

test('a topic with lanes keeps the number that it was made with', () => {
  const definition = topicDefinition({ partitions: 5, maxMessageBytes: 1000 }, 1);
  const topic = { partitions: 3, replicationFactor: 1, settings: new Map(Object.entries(definition.settings)) };
  expect(wrongSetting(definition, topic, null)).toBeNull();
  expect(wrongSetting(definition, topic, 5)).toEqual({ setting: 'partitions', found: '3', needed: '5' });
});
