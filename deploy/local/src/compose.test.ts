import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { serverProperties } from './kafka.js';
import { REPOSITORY_ROOT } from './paths.js';
import { STACK_SERVICES } from './stack.js';

const composeFile = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      command: z.array(z.string()).optional(),
      profiles: z.array(z.string()).optional(),
      environment: z.record(z.string(), z.union([z.string(), z.number()])),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
      build: z.object({ context: z.string(), dockerfile: z.string(), args: z.record(z.string(), z.string()) }).optional(),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});

type Service = z.infer<typeof composeFile>['services'][string];

let compose: z.infer<typeof composeFile>;

beforeAll(async () => {
  compose = composeFile.parse(parse(await readFile(join(REPOSITORY_ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }));
});

function service(name: string): Service {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

// No image was built and no container started here.
describe('docker-compose.yml, only parsed', () => {
  test("has the local stack's servers and Millrace's own services, and no others", () => {
    expect(Object.keys(compose.services).sort()).toEqual([...STACK_SERVICES.map(({ name }) => name), 'capture', 'sink'].sort());
  });

  test.each(STACK_SERVICES)(
    "$name listens on the local stack's port, on 127.0.0.1 alone, and has a health check",
    ({ name, port }) => {
      const { ports, healthcheck } = service(name);
      expect(ports).toEqual([expect.stringMatching(new RegExp(`^127\\.0\\.0\\.1:${port}:\\d+$`))]);
      expect(healthcheck).toBeDefined();
    },
  );

  test.each(['source', 'target'])(
    '%s is a PostgreSQL with logical replication, its database named like the service, its data in a volume',
    (name) => {
      const { image, command, environment, volumes } = service(name);
      expect(image).toMatch(/^postgres:1[3-8]\./);
      expect(command).toContain('wal_level=logical');
      expect(environment['POSTGRES_DB']).toBe(name);
      expect(volumes).toEqual([`${name}:/var/lib/postgresql/data`]);
    },
  );

  test.each(STACK_SERVICES.filter(({ engine }) => engine === 'mysql' || engine === 'mariadb'))(
    '$name starts with its profile alone, logs rows with their metadata, and keeps its data in a volume',
    ({ name, engine }) => {
      const { image, command, profiles, volumes } = service(name);
      expect(image).toMatch(engine === 'mysql' ? /^mysql:8\./ : /^mariadb:1[01]\./);
      expect(profiles).toEqual([engine]);
      for (const option of ['--log-bin=bin', '--binlog-format=ROW', '--binlog-row-metadata=FULL', '--local-infile=ON'])
        expect(command).toContain(option);
      expect(volumes).toEqual([`${name}:/var/lib/mysql`]);
    },
  );

  test('kafka is the version that the pom pins, with the settings of the local one', async () => {
    const { image, environment } = service('kafka');
    const pom = await readFile(join(REPOSITORY_ROOT, 'deploy/local/kafka/pom.xml'), 'utf8');
    expect(image).toBe(`apache/kafka:${/<artifactId>kafka_2.13<\/artifactId>\s*<version>([^<]+)</.exec(pom)?.[1]}`);
    const local = Object.fromEntries(
      serverProperties({ port: 1, controllerPort: 2, data: '', settings: {} })
        .split('\n')
        .map((line) => line.split('=')),
    );
    for (const setting of [
      'auto.create.topics.enable',
      'offsets.topic.replication.factor',
      'transaction.state.log.min.isr',
      'process.roles',
    ]) {
      expect(String(environment[`KAFKA_${setting.toUpperCase().replaceAll('.', '_')}`])).toBe(local[setting]);
    }
  });

  test.each(['capture', 'sink'])(
    '%s is built from the one Dockerfile, runs its command, and waits until the servers answer',
    (name) => {
      const { build, command, depends_on: waitsFor, environment } = service(name);
      expect(build).toMatchObject({ dockerfile: 'deploy/Dockerfile', args: { SERVICE: 'cli' } });
      expect(command?.[0]).toBe(name);
      const usual = STACK_SERVICES.filter(({ engine }) => engine === null || engine === 'postgres');
      expect(Object.keys(waitsFor ?? {}).sort()).toEqual(usual.map((server) => server.name).sort());
      expect(new Set(Object.values(waitsFor ?? {}).map(({ condition }) => condition))).toEqual(new Set(['service_healthy']));
      for (const { address } of STACK_SERVICES) expect(environment[address]).toBeDefined();
    },
  );

  test('every volume that a service names is declared', () => {
    const named = Object.values(compose.services).flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0]));
    expect(Object.keys(compose.volumes).sort()).toEqual(named.sort());
  });
});

describe('deploy/Dockerfile, only read', () => {
  test('takes the service as an argument, runs without rights, and has a health check', async () => {
    const dockerfile = await readFile(join(REPOSITORY_ROOT, 'deploy/Dockerfile'), 'utf8');
    expect(dockerfile).toMatch(/^ARG SERVICE=cli$/m);
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  });
});
