import { closeSession, connect } from '@millrace/mysql/connect.js';
import { parseConnectionUrl } from '@millrace/mysql/connection-url.js';
import { createMysqlDatabase } from '@millrace/testkit/servers.js';
import { TcpProxy } from '@millrace/testkit/tcp-proxy.js';
import { expect, test } from 'vitest';
import { isConnectionLoss } from './server-failure.js';
import { watchSession } from './session-watch.js';
import { ENGINES } from './testing/sink-fixture.js';

test.each(ENGINES)('%s: a session whose server has forgotten it ends; one that is at work does not', async (engine) => {
  await using database = await createMysqlDatabase(engine);
  const { proxy, url } = await TcpProxy.inFrontOf(database.url);
  await using _ = proxy;
  const settings = parseConnectionUrl(url, 'target');
  const connection = await connect(settings, { applicationName: 'test', settings: {} });
  await watchSession(connection, settings, 100);
  await connection.query('SELECT SLEEP(1)');
  proxy.halfOpen();
  const error: unknown = await connection.query('SELECT 1').catch((reason: unknown) => reason);
  expect(isConnectionLoss(error)).toBe(true);
  await closeSession(connection);
});
