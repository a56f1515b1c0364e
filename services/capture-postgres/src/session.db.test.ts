import { execFile } from 'node:child_process';
import { chmod, chown, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, scratchFolder, startPostgres, type TestDatabase } from '@millrace/testkit/servers.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSession } from './session.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

async function codeOf(url: string, replication = false): Promise<string> {
  try {
    await closeSession(await openSession(parseConnectionUrl(url, 'source'), { applicationName: 'millrace:test', replication }));
    return 'open';
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    expect(`${error.message} ${error.remedy}`).not.toContain('s3cret');
    return error.code;
  }
}

function changed(change: (url: URL) => void): string {
  const url = new URL(database.url);
  change(url);
  return url.href;
}

test.each([false, true])(
  "a session's settings are fixed whatever role, database and URL say (replication: %s)",
  async (replication) => {
    const admin = await openSession(parseConnectionUrl(database.url, 'source'), { applicationName: 'millrace:test' });
    const settings = {
      DateStyle: 'German',
      IntervalStyle: 'iso_8601',
      TimeZone: 'Asia/Tokyo',
      extra_float_digits: '-5',
      bytea_output: 'escape',
    };
    for (const [name, value] of Object.entries(settings))
      await admin.query(`ALTER DATABASE ${database.name} SET ${name} = '${value}'`);
    await closeSession(admin);
    const url = `${database.url}?options=-c%20DateStyle%3DSQL%20-c%20geqo%3Doff`;
    const session = await openSession(parseConnectionUrl(url, 'source'), {
      applicationName: 'millrace:test:settings',
      replication,
    });
    const { rows } =
      await session.query(`SELECT '2020-03-04 05:06:07.89+09'::timestamptz::text AS t, '1 mon 2 days'::interval::text AS i,
    (0.1::float8 + 0.2::float8)::text AS f, '\\xff00'::bytea::text AS b, 12.5::money::text AS m, 'pg_class'::regclass::text AS r,
    current_setting('geqo') AS geqo, current_setting('row_security') AS security, current_setting('application_name') AS name`);
    expect(rows[0]).toEqual({
      t: '2020-03-03 20:06:07.89+00',
      i: '1 mon 2 days',
      f: '0.30000000000000004',
      b: '\\xff00',
      m: '$12.50',
      r: 'pg_class',
      geqo: 'off',
      security: 'off',
      name: 'millrace:test:settings',
    });
    await closeSession(session);
  },
);

test('a connection that cannot be had says which of the reasons it was', async () => {
  expect(await codeOf('postgres://u:s3cret@127.0.0.1:1/d')).toBe('ENDPOINT_UNREACHABLE');
  expect(await codeOf('postgres://u:s3cret@no-such-host.invalid/d')).toBe('ENDPOINT_UNREACHABLE');
  expect(await codeOf('postgres://u:s3cret@%2Fno%2Fsuch%2Ffolder/d')).toBe('ENDPOINT_UNREACHABLE');
  expect(await codeOf(changed((url) => (url.pathname = '/no_such_database')))).toBe('ENDPOINT_DATABASE_MISSING');
  expect(await codeOf(changed((url) => (url.username = 'no_such_role')))).toBe('ENDPOINT_AUTHENTICATION');
  expect(await codeOf(changed((url) => url.searchParams.set('sslmode', 'require')))).toBe('ENDPOINT_TLS_REFUSED');
  expect(await codeOf(changed((url) => url.searchParams.set('sslmode', 'verify-full')))).toBe('ENDPOINT_TLS_ROOTS_MISSING');
  expect(await codeOf(changed((url) => url.searchParams.set('sslmode', 'allow')))).toBe('open');
  expect(await codeOf(database.url.replace('127.0.0.1', 'no-such-host.invalid:1,127.0.0.1'))).toBe('open');
});

test('a server that takes the connection and never answers is given up after the time-out', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : 0;
  expect(await codeOf(`postgres://u:s3cret@127.0.0.1:${port}/d?connect_timeout=1`)).toBe('ENDPOINT_UNREACHABLE');
  silent.close();
});

test('TLS and passwords: each sslmode does what libpq does, and a wrong password is said to be one', {
  timeout: 120_000,
}, async () => {
  const dir = await scratchFolder();
  await using server = await startPostgres({ dir });
  const data = join(dir, 'data');
  const run = promisify(execFile);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const key = join(data, 'server.key');
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    join(data, 'server.crt'),
    ...subject,
  ]);
  const owner = await stat(join(data, 'PG_VERSION'));
  await chmod(key, 0o600);
  for (const file of [key, join(data, 'server.crt')]) await chown(file, owner.uid, owner.gid);
  const admin = await openSession(parseConnectionUrl(server.url, 'source'), { applicationName: 'millrace:test' });
  await admin.query('ALTER SYSTEM SET ssl = on');
  await admin.query(`CREATE ROLE tls LOGIN PASSWORD 's3cret'`);
  await admin.query(`CREATE TEMPORARY TABLE hba (line text);
    INSERT INTO hba VALUES ('host all postgres all trust'), ('hostssl all tls all scram-sha-256')`);
  await admin.query(`COPY hba TO '${join(data, 'pg_hba.conf')}'`);
  await admin.query('SELECT pg_reload_conf()');
  const url = (host: string, password: string, parameters: string): string =>
    `postgres://tls:${password}@${host}:${server.port}/postgres?${parameters}`;
  const tlsOf = async (parameters: string): Promise<unknown> => {
    const session = await openSession(parseConnectionUrl(url('127.0.0.1', 's3cret', parameters), 'source'), {
      applicationName: 'millrace:test',
    });
    const { rows } = await session.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    await closeSession(session);
    return rows[0]?.ssl;
  };
  await expect.poll(() => codeOf(url('127.0.0.1', 's3cret', 'sslmode=require')), { timeout: 20_000 }).toBe('open');
  expect(await tlsOf('sslmode=prefer')).toBe(true);
  expect(await tlsOf('sslmode=allow')).toBe(true);
  expect(await codeOf(url('127.0.0.1', 's3cret', 'sslmode=disable'))).toBe('ENDPOINT_AUTHENTICATION');
  expect(await codeOf(url('127.0.0.1', 'wrong', 'sslmode=prefer'))).toBe('ENDPOINT_AUTHENTICATION');
  const roots = `sslrootcert=${encodeURIComponent(join(data, 'server.crt'))}`;
  expect(await codeOf(url('127.0.0.1', 's3cret', `sslmode=verify-ca&${roots}`))).toBe('open');
  expect(await codeOf(url('127.0.0.1', 's3cret', `sslmode=verify-full&${roots}`))).toBe('ENDPOINT_TLS_REFUSED');
  expect(await codeOf(url('localhost', 's3cret', `sslmode=verify-full&${roots}`))).toBe('open');
  expect(await codeOf(url('localhost', 's3cret', 'sslmode=verify-full&sslrootcert=system'))).toBe('ENDPOINT_TLS_REFUSED');
  expect(await codeOf(url('localhost', 's3cret', 'sslmode=verify-full&sslrootcert=/no/such/file'))).toBe('ENDPOINT_URL_INVALID');
  await closeSession(admin);
});

test('a session whose server ends it raises no event that nobody listens to', async () => {
  const session = await openSession(parseConnectionUrl(database.url, 'source'), { applicationName: 'millrace:test:victim' });
  const other = await openSession(parseConnectionUrl(database.url, 'source'), { applicationName: 'millrace:test' });
  await other.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace:test:victim'`);
  await expect(session.query('SELECT 1')).rejects.toThrow();
  await closeSession(session);
  await closeSession(other);
});

test('an aborted connect ends at once', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const stop = new AbortController();
  const opening = openSession(parseConnectionUrl(`postgres://u@127.0.0.1:${port}/d`, 'source'), {
    applicationName: 'millrace:test',
    signal: stop.signal,
  });
  setImmediate(() => stop.abort());
  await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
  silent.close();
});
