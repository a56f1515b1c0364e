import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from './load-config.js';
import { taskConfigSchema } from './task-options.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const FLAGS = { name: 'x', source: 'postgresql://s', target: 'postgresql://t', kafka: 'h:1', registry: 'http://r' };

async function file(text: string): Promise<string> {
  const path = join(folder, 'task.yaml');
  await writeFile(path, text);
  return path;
}

test('a flag wins over the environment, the environment over the file; an empty variable is none', async () => {
  const path = await file(
    'name: of-file\nkafka: file:1\nregistry: http://file\nmetrics-port: 9090\ninclude: [a.b]\njson: true\n',
  );
  const env = { KAFKA_BROKERS: 'env:1', SCHEMA_REGISTRY_URL: 'http://env', MILLRACE_NAME: '' };
  const config = await loadConfig(taskConfigSchema, {
    flags: { source: 's', target: 't', registry: 'http://flag' },
    env,
    file: path,
  });
  expect(config).toMatchObject({
    name: 'of-file',
    kafka: 'env:1',
    registry: 'http://flag',
    metricsPort: 9090,
    include: ['a.b'],
    json: true,
  });
});

test.each([
  ['flag', { ...FLAGS, until: 'never' }, {}, null, 'USAGE_OPTION_VALUE', '--until: "never"'],
  ['flag', { ...FLAGS, metricsPort: 'abc' }, {}, null, 'USAGE_OPTION_VALUE', '--metrics-port'],
  ['environment', FLAGS, { MILLRACE_LOG_LEVEL: 'loud' }, null, 'CONFIG_VALUE', 'MILLRACE_LOG_LEVEL: "loud"'],
  ['file', FLAGS, {}, 'migration-type: nope', 'CONFIG_VALUE', 'migrationType in'],
  ['file', FLAGS, {}, 'sorce: x', 'CONFIG_FILE', 'unknown key "sorce"'],
  ['file', FLAGS, {}, 'a: [', 'CONFIG_FILE', 'task.yaml'],
] as const)('a bad value of a %s is named with its place', async (_, flags, env, text, code, named) => {
  const path = text === null ? null : await file(text);
  await expect(loadConfig(taskConfigSchema, { flags, env, file: path })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(named),
  });
});

test('a value that holds a password is not shown', async () => {
  const flags = { ...FLAGS, source: '' };
  const env = { KAFKA_SASL_PASSWORD: '' };
  await expect(loadConfig(taskConfigSchema, { flags, env, file: null })).rejects.toMatchObject({
    message: expect.stringContaining('(hidden)'),
  });
});
