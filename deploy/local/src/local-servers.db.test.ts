import { spawn } from 'node:child_process';
import { chmod, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeFolder, scratchFolder } from '@millrace/testkit/servers.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exists } from './artifact.js';
import { startPostgres, withClient } from './postgres.js';
import { descendantsOf, findProcess } from './process-table.js';
import { runningServer, ServerProcess, stopServerIn } from './server-process.js';
import { folderFor, unprivilegedUser } from './server-user.js';
import { down, up } from './stack.js';
import { waitUntil } from './wait-until.js';

let dir: string;

beforeEach(async () => {
  dir = await scratchFolder();
  await chmod(dir, 0o755);
});

afterEach(async () => {
  await removeFolder(dir);
});

describe("a PostgreSQL server of one's own", () => {
  test('keeps data and port over a SIGKILL of all its processes and over a stop', async () => {
    await using server = await startPostgres({ dir: join(dir, 'pg') });
    await withClient(server.url, async (client) => void (await client.query('CREATE TABLE t AS SELECT 42 AS answer')));
    const backends = await descendantsOf(server.pid);
    expect(backends.length).toBeGreaterThan(0);

    await server.kill('SIGKILL');
    expect(await Promise.all(backends.map((entry) => findProcess(entry.pid)))).toEqual(backends.map(() => undefined));
    await server.restart();
    await server.stop();
    await server.restart();

    await withClient(server.url, async (client) => {
      expect((await client.query('SELECT answer FROM t')).rows).toEqual([{ answer: 42 }]);
    });
  });

  test('stands still after SIGSTOP, backends too, goes on after SIGCONT, and stops also while it stands still', async () => {
    await using server = await startPostgres({ dir: join(dir, 'pg') });
    await withClient(server.url, async (client) => {
      await server.kill('SIGSTOP');
      let answered = false;
      const answer = client.query('SELECT 1').then(() => {
        answered = true;
      });
      await expect(waitUntil(() => answered, { what: 'an answer', deadlineMs: 300 })).rejects.toMatchObject({
        code: 'LOCAL_WAIT_EXPIRED',
      });
      await server.kill('SIGCONT');
      await answer;
    });
    await server.kill('SIGSTOP');
    await server.stop();
    expect(await runningServer(server.dir)).toBeUndefined();
  });

  test('takes the settings that it is given, and keeps fsync on where it is given none', async () => {
    await using server = await startPostgres({ dir: join(dir, 'pg'), settings: { max_wal_senders: '3' } });
    await withClient(server.url, async (client) => {
      const { rows } = await client.query(
        "SELECT current_setting('fsync') AS fsync, current_setting('max_wal_senders') AS senders",
      );
      expect(rows).toEqual([{ fsync: 'on', senders: '3' }]);
    });
  });

  test('ends with the process that started it, even by SIGKILL', async () => {
    const pgDir = join(dir, 'pg');
    const program = `
      import { startPostgres } from '${fileURLToPath(new URL('postgres.ts', import.meta.url))}';
      await startPostgres({ dir: '${pgDir}' });
      process.kill(process.pid, 'SIGKILL');`;
    const starter = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: 'inherit',
    });
    const signal = await new Promise((resolve) => starter.once('exit', (_code, by) => resolve(by)));
    expect(signal).toBe('SIGKILL');
    expect(await exists(join(pgDir, 'server.pid'))).toBe(true);
    await waitUntil(async () => (await runningServer(pgDir)) === undefined, { what: 'the server to end', deadlineMs: 15_000 });
  });
});

test('data of one PostgreSQL version is not opened by another, and the error names both', async () => {
  await mkdir(join(dir, 'pg/data'), { recursive: true });
  await writeFile(join(dir, 'pg/data/PG_VERSION'), '14\n');
  await expect(startPostgres({ dir: join(dir, 'pg'), major: 15 })).rejects.toMatchObject({
    code: 'LOCAL_DATA_VERSION',
    details: { madeBy: 14, wanted: '15' },
  });
  await expect(startPostgres({ dir: join(dir, 'other'), major: 9 })).rejects.toMatchObject({ code: 'LOCAL_POSTGRES_VERSION' });
});

test('a server that ends while it starts is reported at once, with the end of its log', async () => {
  const definition = {
    name: 'Sham',
    dir,
    port: 1,
    command: 'sh',
    args: ['-c', 'echo no room here; exit 3'],
    stopSignal: 'SIGTERM',
  } as const;
  const started = ServerProcess.start({
    ...definition,
    readyDeadlineMs: 60_000,
    probe: () => Promise.reject(new Error('refused')),
  });
  await expect(started).rejects.toMatchObject({
    code: 'LOCAL_SERVER_EXITED',
    details: { server: 'Sham', how: 'exit code 3', log: 'no room here' },
  });
});

test('a server that never answers is reported with its address and the last try, and stopped', async () => {
  const definition = { name: 'Sham', dir, port: 4711, command: 'sleep', args: ['600'], stopSignal: 'SIGTERM' } as const;
  const started = ServerProcess.start({ ...definition, readyDeadlineMs: 200, probe: () => Promise.reject(new Error('refused')) });
  await expect(started).rejects.toMatchObject({
    code: 'LOCAL_SERVER_NOT_READY',
    details: { address: '127.0.0.1:4711', reason: 'refused', seconds: 0.2 },
  });
  expect(await runningServer(dir)).toBeUndefined();
});

test('a pid that belongs to another process by now is not taken for the server', async () => {
  await writeFile(join(dir, 'server.pid'), `${process.pid} 5432 SIGTERM another-start-time\n`);
  expect(await runningServer(dir)).toBeUndefined();
  expect(await stopServerIn(dir)).toBe(false);
});

test.runIf(process.getuid?.() === 0)("root gives a folder that the server's user cannot reach a place that it can", async () => {
  const user = await unprivilegedUser();
  const closed = join(dir, 'closed');
  await mkdir(closed, { mode: 0o700 });
  const place = await folderFor(user, join(closed, 'pg'));
  expect(place.startsWith('/var/tmp/millrace-')).toBe(true);
  expect(await realpath(join(closed, 'pg'))).toBe(await realpath(place));
  expect((await stat(place)).uid).toBe(user?.uid);
  await removeFolder(place);
});

test('up leaves the servers running, writes their addresses last, takes them up again, and down stops them', async () => {
  const envFile = join(dir, 'local.env');
  const lines: string[] = [];
  const environment = { KAFKA_BROKERS: 'given:9092', SCHEMA_REGISTRY_URL: 'http://given', TARGET_URL: 'postgres://given/target' };
  const stack = { dir: join(dir, 'stack'), envFile, environment, report: (line: string) => void lines.push(line) };
  try {
    await up(stack);
    const first = await runningServer(join(dir, 'stack/source'));
    const text = await readFile(envFile, 'utf8');
    expect(text).toBe(
      `KAFKA_BROKERS=given:9092\nSCHEMA_REGISTRY_URL=http://given\nSOURCE_URL=postgres://postgres@127.0.0.1:${first?.port}/source\nTARGET_URL=postgres://given/target\n`,
    );
    expect(lines).toContain('Kafka: using KAFKA_BROKERS from the environment');
    await up(stack);
    expect(await runningServer(join(dir, 'stack/source'))).toEqual(first);
  } finally {
    expect(await down(stack)).toEqual(['Source PostgreSQL']);
  }
  expect(await exists(envFile)).toBe(false);
  expect(await down(stack)).toEqual([]);
});

test('a stack takes another port where its own is in use', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const address = other.address();
  const taken = address !== null && typeof address === 'object' ? address.port : 0;
  try {
    await using server = await startPostgres({ dir: join(dir, 'pg'), preferredPort: taken });
    expect(server.port).not.toBe(taken);
  } finally {
    other.close();
  }
});
