import { MillraceError } from '@millrace/errors/millrace-error.js';
import { sharedServers, uniqueWord, withConnection } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { closeSession, connect } from './connect.js';
import { parseConnectionUrl } from './connection-url.js';
import { identifyServer } from './server.js';

const SESSION = { applicationName: 'millrace:test', settings: {} };

async function refusal(url: string): Promise<MillraceError> {
  const outcome = await connect(parseConnectionUrl(url, 'source'), SESSION).then(closeSession, (error: unknown) => error);
  if (outcome instanceof MillraceError) return outcome;
  throw new Error(`not refused: ${String(outcome)}`);
}

describe.each(['mysql', 'mariadb'] as const)('%s', (engine) => {
  test('a session is in UTC, UTF-8 and strict, whatever the server is set to, and knows its engine', async () => {
    const session = await connect(parseConnectionUrl(await sharedServers()[engine](), 'source'), {
      ...SESSION,
      settings: { net_write_timeout: '77' },
    });
    try {
      expect(await identifyServer(session)).toMatchObject({ engine });
      const [rows] = await session.query(
        'SELECT @@time_zone AS zone, @@character_set_client AS charset, @@net_write_timeout AS timeout, @@sql_mode AS mode',
      );
      expect(rows).toMatchObject([
        { zone: '+00:00', charset: 'utf8mb4', timeout: '77', mode: expect.stringContaining('STRICT_ALL_TABLES') },
      ]);
      await expect(session.query("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t")).rejects.toThrow();
    } finally {
      await closeSession(session);
    }
  });

  test('a wrong password, a missing database and a missing server are each their own error, without the password', async () => {
    const admin = new URL(await sharedServers()[engine]());
    const user = uniqueWord();
    await withConnection(admin.href, (connection) => connection.query(`CREATE USER ${user}@'%' IDENTIFIED BY 'right-1'`));
    const as = (password: string, database: string): string =>
      `${engine}://${user}:${password}@127.0.0.1:${admin.port}/${database}`;
    const wrong = await refusal(as('wr0ng-secret', ''));
    expect(wrong.code).toBe('ENDPOINT_AUTHENTICATION');
    expect(`${wrong.message} ${String(wrong.cause)}`).not.toContain('wr0ng-secret');
    expect((await refusal(as('right-1', uniqueWord()))).code).toBe('ENDPOINT_DATABASE_MISSING');
    expect((await refusal(`${engine}://root@127.0.0.1:1/`)).code).toBe('ENDPOINT_UNREACHABLE');
    await withConnection(admin.href, (connection) => connection.query(`DROP USER ${user}`));
  });

  test('TLS that is asked for and not there is refused', async () => {
    const url = await sharedServers()[engine]();
    // MySQL 8 makes itself a certificate, which no authority that Node knows has signed; this MariaDB has none.
    const refused = await refusal(`${url}?ssl-mode=VERIFY_CA`);
    expect(refused.code).toBe('ENDPOINT_TLS_REFUSED');
  });

  test('an abort ends a session at once', async () => {
    const stop = new AbortController();
    const settings = parseConnectionUrl(await sharedServers()[engine](), 'source');
    const session = await connect(settings, { ...SESSION, signal: stop.signal });
    const sleeping = session.query('SELECT SLEEP(60)');
    stop.abort();
    await expect(sleeping).rejects.toThrow();
  });
});
