import type { DeadLetter } from '@millrace/contract/sink.js';
import type { SinkSession } from './session.js';
import { sourceText } from './state-rows.js';
import { refuseTooLong, write } from './statements.js';

/**
 * Keeps a change or a row that the target refused, whole, in the open transaction.
 * @throws MillraceError TARGET_ROW_BEYOND_PACKET
 */
export async function writeLetter(
  { connection, maxPacketBytes }: SinkSession,
  task: string,
  { table, position, ordinal, kind, code, message, before, after }: Omit<DeadLetter, 'id'>,
): Promise<void> {
  const sql = connection.format(
    `INSERT INTO millrace.dead_letter (task, source, position_source, position_timeline, position_key, ordinal, kind, code, message, \`before\`, \`after\`)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [task, sourceText(table), position.source, position.timeline, position.key, ordinal, kind, code, message, before, after],
  );
  refuseTooLong(sql, maxPacketBytes, table);
  await write(connection, sql);
}
