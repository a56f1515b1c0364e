import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeFolder, scratchFolder, waitUntil, withClient } from '../servers.js';
import { Bench, Command, jsonLines, millrace } from './command.js';

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const ROWS = 1_000;
const SMALL = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, ${ROWS}) g`;

const event =
  (name: string) =>
  (command: Command): boolean =>
    command.lines.some((line) => line.event === name);

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitUntil(condition, { what, deadlineMs: 60_000 });
}

test('--until loaded leaves the slot, --until caught-up goes on from there; verify, status, journal and remove tell and do what they say', async () => {
  await using bench = await Bench.open(SMALL);
  const loaded = await millrace(['run', ...bench.flags({ until: 'loaded' }), '--json']);
  const tables = [
    {
      schema: 'public',
      table: 't',
      state: 'completed',
      rowsLoaded: ROWS,
      inserts: 0,
      updates: 0,
      deletes: 0,
      truncates: 0,
      ddls: 0,
      errors: 0,
    },
  ];
  expect(jsonLines(loaded.stdout).at(-1)).toMatchObject({ event: 'stopped', reason: 'loaded', tables });
  expect(loaded.code).toBe(0);

  await bench.atSource(
    `INSERT INTO t VALUES (0, 'new'); UPDATE t SET v = 'changed' WHERE id = 1; DELETE FROM t WHERE id IN (2, 3)`,
  );
  const caughtUp = await millrace(['run', ...bench.flags({ until: 'caught-up' }), '--json']);
  expect(jsonLines(caughtUp.stdout).at(-1)).toMatchObject({
    reason: 'caught-up',
    tables: [{ rowsLoaded: ROWS, inserts: 1, updates: 1, deletes: 2 }],
  });
  expect(caughtUp.code).toBe(0);

  // Flags of `run` that mean nothing to `verify` are taken all the same.
  const equal = await millrace(['verify', ...bench.flags({ until: 'caught-up' }), '--json']);
  expect(jsonLines(equal.stdout).at(-1)).toMatchObject({ verdict: 'equal', rows: ROWS - 1 });
  expect(equal.code).toBe(0);
  await bench.atTarget(`UPDATE t SET v = 'wrong' WHERE id = 7`);
  const different = await millrace(['verify', ...bench.flags()]);
  expect(different.stdout).toMatch(/public\.t\s+key \(7\) in v/);
  expect(different.code).toBe(1);
  const uncompared = await millrace(['verify', ...bench.flags({ target: 'postgresql://postgres@127.0.0.1:1/x' })]);
  expect(uncompared.code).toBe(3);

  const status = await millrace(['status', ...bench.flags(), '--json']);
  expect(jsonLines(status.stdout)).toMatchObject([{ known: true, tables: [{ table: 't', inserts: 1 }] }]);
  const journal = await millrace(['journal', ...bench.flags()]);
  expect(jsonLines(journal.stdout).map((line) => line.event)).toEqual(
    expect.arrayContaining(['takeover', 'schema', 'insert', 'update', 'delete', 'commit']),
  );

  const unconfirmed = await millrace(['remove', ...bench.flags()]);
  expect(unconfirmed.code).toBe(1);
  expect((await millrace(['remove', ...bench.flags(), '--yes'])).code).toBe(0);
  expect(await bench.traces()).toEqual(['public.t', 'public.t_pkey']);
  expect((await millrace(['remove', ...bench.flags(), '--yes'])).code).toBe(0);
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s in the middle of the load ends the run with 0 within 10 s, and the next one goes on',
  async (signal) => {
    await using bench = await Bench.open(
      `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 400000) g`,
    );
    const first = new Command(['run', ...bench.flags(), '--json']);
    await until('the load begins', () => first.lines.some((line) => line.event === 'table' && line['state'] === 'full load'));
    const signalled = performance.now();
    first.signal(signal);
    const { code, stdout } = await first.ended;
    expect(performance.now() - signalled).toBeLessThan(10_000);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ event: 'stopped', reason: 'signal' });
    expect(code).toBe(0);
    const second = await millrace(['run', ...bench.flags({ until: 'caught-up' }), '--json']);
    expect(second.code).toBe(0);
    expect(await bench.atTarget('SELECT count(*)::int AS rows FROM t')).toEqual([{ rows: 400_000 }]);
  },
);

test('a second run of one name fences the first, which ends as a whole and does not fence back', async () => {
  await using bench = await Bench.open(SMALL);
  const first = new Command(['run', ...bench.flags(), '--json']);
  await until('the load is done', () => event('loaded')(first));
  const second = new Command(['run', ...bench.flags(), '--json']);
  const { code, stdout } = await first.ended;
  expect(code).toBe(3);
  expect(jsonLines(stdout).at(-1)).toMatchObject({ event: 'stopped', reason: 'fenced' });
  expect(jsonLines(stdout).filter((line) => line.event === 'restarting')).toEqual([]);
  await bench.atSource(`INSERT INTO t VALUES (0, 'new')`);
  await until('the second applies', async () => (await bench.atTarget('SELECT FROM t WHERE id = 0')).length === 1);
  second.signal('SIGTERM');
  expect((await second.ended).code).toBe(0);
  expect(second.lines.filter((line) => line.event === 'restarting')).toEqual([]);
});

test('a worker that is killed is started again; metrics are served meanwhile; nothing is lost', async () => {
  await using bench = await Bench.open(SMALL);
  const port = await freePort();
  const run = new Command(['run', ...bench.flags({ 'metrics-port': String(port) }), '--json']);
  await until('the load is done', () => event('loaded')(run));
  for (const role of ['capture', 'sink']) {
    const pid = Number(run.lines.findLast((line) => line.event === 'started' && line['role'] === role)?.['pid']);
    process.kill(pid, 'SIGKILL');
    await until(`${role} is started again`, () =>
      run.lines.some((line) => line.event === 'started' && line['role'] === role && line['pid'] !== pid),
    );
  }
  await bench.atSource(`INSERT INTO t VALUES (0, 'new')`);
  await until('the row arrives', async () => (await bench.atTarget('SELECT FROM t WHERE id = 0')).length === 1);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toContain('CDCLatencyTarget');
  expect(metrics).toMatch(/millrace_worker_restarts_total\{role="sink",task="\w+"\} 1/);
  expect(metrics).toMatch(/millrace_full_load_throughput_rows_target_total\{task="\w+"\} 1000/);
  const taken = await millrace(['run', ...bench.flags({ name: 'other', 'metrics-port': String(port) }), '--json']);
  expect(jsonLines(taken.stdout).at(-1)).toMatchObject({ reason: 'refused', error: { code: 'METRICS_PORT' } });
  run.signal('SIGTERM');
  expect((await run.ended).code).toBe(0);
});

test('a run that npx started stops when npx is gone', async () => {
  await using bench = await Bench.open(SMALL);
  const bin = fileURLToPath(new URL('../../../../services/cli/bin/millrace.js', import.meta.url));
  const script = `require('node:child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' }); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['-e', script, bin, 'run', ...bench.flags(), '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, npm_command: 'exec' },
  });
  let stdout = '';
  parent.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const closed = new Promise<void>((resolve) => parent.stdout.once('close', () => resolve()));
  await until('the load is done', () => stdout.includes('"event":"loaded"'));
  parent.kill('SIGKILL');
  await closed;
  expect(jsonLines(stdout).at(-1)).toMatchObject({ event: 'stopped', reason: 'signal' });
});

test('a slot that something else reads refuses the start, and the task goes on when it has gone', async () => {
  await using bench = await Bench.open(SMALL);
  expect((await millrace(['run', ...bench.flags({ until: 'loaded' })])).code).toBe(0);
  const [slot] = await bench.atSource('SELECT slot_name AS name FROM pg_replication_slots WHERE database = current_database()');
  await withClient(`${bench.source.url}?replication=database&application_name=foreign`, async (reader) => {
    const reading = reader
      .query(`START_REPLICATION SLOT ${String(slot?.['name'])} LOGICAL 0/0 (proto_version '1', publication_names 'x')`)
      .catch(() => undefined);
    await until(
      'the slot is held',
      async () =>
        (await bench.atSource('SELECT FROM pg_replication_slots WHERE database = current_database() AND active')).length === 1,
    );
    const held = await millrace(['run', ...bench.flags({ until: 'caught-up' }), '--json']);
    expect(held.code).toBe(1);
    expect(jsonLines(held.stdout).at(-1)).toMatchObject({ reason: 'refused', error: { code: 'SLOT_IN_USE' } });
    expect(held.stdout).toContain('foreign');
    await bench.atSource('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()');
    await reading;
  }).catch(() => undefined);
  const again = await millrace(['run', ...bench.flags({ until: 'caught-up' }), '--json']);
  expect(again.code).toBe(0);
});

test('a task file has every option; the environment wins over it, a flag over both', async () => {
  await using bench = await Bench.open(`${SMALL}; CREATE TABLE other (id int PRIMARY KEY)`);
  const file = join(folder, 'task.yaml');
  await writeFile(
    file,
    [
      `name: ${bench.name}`,
      `source: ${bench.source.url}`,
      'target: postgresql://postgres@127.0.0.1:1/wrong',
      'kafka: 127.0.0.1:1',
      `registry: ${bench.registry}`,
      'include: [public.t]',
      'until: caught-up',
      'json: true',
    ].join('\n'),
  );
  const env = { KAFKA_BROKERS: bench.kafka, TARGET_URL: 'postgresql://postgres@127.0.0.1:1/wrong-too' };
  const { code, stdout } = await millrace(['run', file, '--target', bench.target.url, '--until', 'loaded'], env);
  expect(jsonLines(stdout).at(-1)).toMatchObject({ reason: 'loaded', tables: [{ table: 't' }] });
  expect(code).toBe(0);
});

test('usage errors exit with 2, and say stopped where JSON was asked for', async () => {
  const cases = [
    ['bogus'],
    ['run', '--bogus'],
    ['run', '--name', 'x'],
    ['run', '--name', 'Not A Name'],
    ['remove'],
    [],
    ['journal', '--name', 'x', '--kafka', 'h:1', '--registry', 'http://h', '--from', 'y'],
  ];
  const codes = await Promise.all(cases.map(async (args) => (await millrace(args)).code));
  expect(codes).toEqual(cases.map(() => 2));
  const json = await millrace([
    'run',
    '--until',
    'never',
    '--json',
    '--name',
    'x',
    '--source',
    's',
    '--target',
    't',
    '--kafka',
    'h:1',
    '--registry',
    'http://h',
  ]);
  expect(jsonLines(json.stdout)).toMatchObject([
    {
      event: 'stopped',
      reason: 'refused',
      error: { code: 'USAGE_OPTION_VALUE' },
      tables: [],
      sourceLagMs: null,
      targetLagMs: null,
    },
  ]);
  expect(json.code).toBe(2);
  for (const args of [['help'], ['run', '--help'], ['--version']]) expect((await millrace(args)).code).toBe(0);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
