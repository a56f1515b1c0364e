import { Duplex } from 'node:stream';
import { closeSession, connect } from '@millrace/mysql/connect.js';
import type { ConnectionSettings } from '@millrace/mysql/connection-url.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';

/** A session from which nothing has come for so long is asked about. */
const SILENCE_MS = 15_000;
/** The connection that asks may be forgotten as well: then another one asks. */
const ASK_MS = 5_000;

const threadRow = z.object({ id: z.coerce.number().int(), host: z.string() });

type Thread = z.output<typeof threadRow>;

/**
 * Watches a session for a server that is gone without a word: a firewall that forgot the connection, a host that lost its power. An
 * answer would be waited for until TCP gives up, which takes minutes. After a silence another connection asks whether the session's thread is
 * still there; where it is not, the session ends with an error, and whatever it was at is decided by the target's own checkpoint. A thread
 * at work may be silent as long as it likes.
 */
export async function watchSession(connection: Connection, settings: ConnectionSettings, silenceMs = SILENCE_MS): Promise<void> {
  const stream = streamOf(connection);
  const [own] = await queryRows(
    connection,
    'SELECT ID AS id, HOST AS host FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()',
    [],
    threadRow,
  );
  if (stream === undefined || own === undefined) return;
  let heard = 0;
  let asking = false;
  stream.on('data', () => {
    heard++;
  });
  let before = heard;
  const watch = setInterval(() => {
    if (heard !== before) {
      before = heard;
      return;
    }
    if (asking) return;
    asking = true;
    isGone(own, settings).then(
      (gone) => {
        asking = false;
        if (gone && heard === before) stream.destroy(serverIsGone());
      },
      () => {
        asking = false;
      },
    );
  }, silenceMs);
  watch.unref();
  stream.once('close', () => clearInterval(watch));
}

/** The driver's socket, which its types do not show. */
function streamOf(connection: Connection): Duplex | undefined {
  const core: unknown = Reflect.get(connection, 'connection');
  const stream: unknown = typeof core === 'object' && core !== null ? Reflect.get(core, 'stream') : undefined;
  return stream instanceof Duplex ? stream : undefined;
}

/** As the socket itself would say it in the end. */
function serverIsGone(): Error {
  return Object.assign(new Error('the server has ended the session without a word'), { code: 'ETIMEDOUT' });
}

/** False where nobody can be asked: a server that is away is noticed by whoever needs it next. A server that was started anew counts from 1 again. */
async function isGone({ id, host }: Thread, settings: ConnectionSettings): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(ASK_MS);
    const connection = await connect(settings, { applicationName: 'millrace:watch', settings: {}, signal });
    try {
      const threads = await queryRows(
        connection,
        'SELECT ID AS id, HOST AS host FROM information_schema.PROCESSLIST WHERE ID = ?',
        [id],
        threadRow,
      );
      return threads.every((thread) => thread.host !== host);
    } finally {
      await closeSession(connection);
    }
  } catch {
    return false;
  }
}
