import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseJavaVersion } from './java.js';
import { serverProperties } from './kafka.js';
import { CONNECT_POM, KAFKA_POM } from './paths.js';
import { parsePostgresMajor } from './postgres-binaries.js';
import { registryVersion } from './registry.js';
import { envFileText } from './stack.js';

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['openjdk version "25" 2025-09-16 LTS', 25],
  ['java version "1.8.0_392"', 8],
  ['command not found', 0],
])('%s is Java %i', (text, version) => {
  expect(parseJavaVersion(text)).toBe(version);
});

test.each([
  ['postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)', 15],
  ['postgres (PostgreSQL) 18beta1', 18],
  ['', 0],
])('"%s" is PostgreSQL %i', (text, major) => {
  expect(parsePostgresMajor(text)).toBe(major);
});

test('the registry of the 3.3 line needs Java 21, the 3.0 line runs from 17 on', () => {
  expect([17, 20, 21, 25].map((version) => registryVersion({ command: 'java', version }))).toEqual([
    '3.0.9',
    '3.0.9',
    '3.3.3',
    '3.3.3',
  ]);
});

test("a caller's broker settings replace the stack's own", () => {
  const text = serverProperties({
    port: 1,
    controllerPort: 2,
    data: 'd',
    settings: { 'node.id': '7', 'log.flush.interval.messages': '1' },
  });
  expect(text).toContain('node.id=7\n');
  expect(text).not.toContain('node.id=1\n');
  expect(text).toContain('log.flush.interval.messages=1\n');
  expect(text).toContain('listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n');
});

test('the env file holds one NAME=value line for each address', () => {
  const addresses = {
    KAFKA_BROKERS: 'k:1',
    SCHEMA_REGISTRY_URL: 'http://r',
    SOURCE_URL: 'postgres://s',
    TARGET_URL: 'postgres://t',
  };
  expect(envFileText(addresses)).toBe(
    'KAFKA_BROKERS=k:1\nSCHEMA_REGISTRY_URL=http://r\nSOURCE_URL=postgres://s\nTARGET_URL=postgres://t\n',
  );
});

test("the Connect worker is of the broker's Kafka release", async () => {
  const kafkaVersion = async (pom: string): Promise<string | undefined> =>
    /<groupId>org\.apache\.kafka<\/groupId>\s*<artifactId>[^<]*<\/artifactId>\s*<version>([^<]*)</.exec(
      await readFile(pom, 'utf8'),
    )?.[1];
  expect(await kafkaVersion(CONNECT_POM)).toBe(await kafkaVersion(KAFKA_POM));
  expect(await kafkaVersion(KAFKA_POM)).toMatch(/^\d/);
});
