import { Socket } from 'node:net';
import { closeSession, connect } from '@millrace/postgres/connect.js';
import type { ConnectionSettings } from '@millrace/postgres/connection-url.js';
import type { Client } from 'pg';

/** A session from which nothing has come for so long is asked about. */
const SILENCE_MS = 15_000;

/**
 * Watches a session for a server that is gone without a word: a firewall that forgot the connection, a host that lost its power. An
 * answer would be waited for until TCP gives up, which takes minutes, or for ever where something in between still answers keepalives.
 * After a silence another connection asks whether the session's backend is still there; where it is not, the session ends with an
 * error, and whatever it was at is decided by the target's own checkpoint. A backend at work may be silent as long as it likes.
 */
export async function watchSession(client: Client, connection: ConnectionSettings, silenceMs = SILENCE_MS): Promise<void> {
  const { stream } = client.connection;
  if (!(stream instanceof Socket)) return;
  const { rows } = await client.query<Backend>(
    'SELECT pid, backend_start::text AS started FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()',
  );
  const [backend] = rows;
  if (backend === undefined) return;
  let heard = stream.bytesRead;
  let asking = false;
  const watch = setInterval(() => {
    if (stream.bytesRead !== heard) {
      heard = stream.bytesRead;
      return;
    }
    if (asking) return;
    asking = true;
    isGone(backend, connection).then(
      (gone) => {
        asking = false;
        if (gone && stream.bytesRead === heard) stream.destroy(serverIsGone());
      },
      () => {
        asking = false;
      },
    );
  }, silenceMs);
  watch.unref();
  stream.once('close', () => clearInterval(watch));
}

interface Backend {
  readonly pid: number;
  readonly started: string;
}

/** As the socket itself would say it in the end. */
function serverIsGone(): Error {
  return Object.assign(new Error('the server has ended the session without a word'), { code: 'ETIMEDOUT' });
}

/** False where nobody can be asked: a server that is away is noticed by whoever needs it next. */
async function isGone({ pid, started }: Backend, connection: ConnectionSettings): Promise<boolean> {
  try {
    const client = await connect(connection, { applicationName: 'millrace:watch', settings: {} });
    try {
      const { rowCount } = await client.query(
        'SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz',
        [pid, started],
      );
      return rowCount === 0;
    } finally {
      await closeSession(client);
    }
  } catch {
    return false;
  }
}
