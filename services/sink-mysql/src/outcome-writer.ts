import type { GroupOutcome } from '@millrace/apply/group-outcome.js';
import type { Position } from '@millrace/contract/position.js';
import { writeLetter } from './dead-letter.js';
import type { SinkSession } from './session.js';
import { sourceText } from './state-rows.js';
import { write } from './statements.js';

/** Stands for the position that a large transaction's letters get with its Commit. */
const NO_POSITION = { source: '', timeline: 0, key: '' } as const;

/** Writes what came of a group's changes, in the group's transaction. */
export class OutcomeWriter {
  private wroteUnplaced = false;

  constructor(
    private readonly session: SinkSession,
    private readonly task: string,
    private readonly outcome: GroupOutcome,
  ) {}

  /** Bounds the letters kept, between two slices of a large transaction. */
  async writeSome(): Promise<void> {
    if (this.outcome.hasManyLetters) await this.writeLetters();
  }

  /** Writes everything. `position`: that of a large transaction. */
  async write(position: Position | null): Promise<void> {
    for (const { source, inserts, updates, deletes, truncates, errors } of this.outcome.countsByTable())
      await write(
        this.session.connection,
        `UPDATE millrace.table_state SET inserts = inserts + ${inserts}, updates = updates + ${updates}, deletes = deletes + ${deletes},
           truncates = truncates + ${truncates}, errors = errors + ${errors} WHERE task = ? AND source = ?`,
        [this.task, sourceText(source)],
      );
    await this.writeLetters();
    if (this.wroteUnplaced)
      await write(
        this.session.connection,
        'UPDATE millrace.dead_letter SET position_source = ?, position_timeline = ?, position_key = ? WHERE task = ? AND position_source = ? AND position_key = ?',
        [position?.source ?? '', position?.timeline ?? 0, position?.key ?? '', this.task, NO_POSITION.source, NO_POSITION.key],
      );
    for (const { source, reason } of this.outcome.suspended())
      await write(
        this.session.connection,
        `UPDATE millrace.table_state SET state = 'error', error_code = ?, error_message = ? WHERE task = ? AND source = ?`,
        [reason.code, reason.message, this.task, sourceText(source)],
      );
  }

  private async writeLetters(): Promise<void> {
    const letters = this.outcome.takeLetters();
    this.wroteUnplaced ||= letters.some(({ position }) => position === null);
    for (const { source, position, ordinal, kind, reason, before, after } of letters) {
      const { source: history, timeline, key } = position ?? NO_POSITION;
      await writeLetter(this.session, this.task, {
        table: source,
        position: { source: history, timeline, key },
        ordinal,
        kind,
        ...reason,
        before,
        after,
      });
    }
  }
}
