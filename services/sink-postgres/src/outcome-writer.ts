import type { GroupOutcome } from '@millrace/apply/group-outcome.js';
import type { Position } from '@millrace/contract/position.js';
import type { Client } from 'pg';
import { Pipeline } from './pipeline.js';

/** Stands for the position that a large transaction's letters get with its Commit. */
const NO_POSITION = { source: '', timeline: 0, key: '' } as const;

const COUNT =
  'UPDATE millrace.table_state AS t SET inserts = t.inserts + u.inserts, updates = t.updates + u.updates, deletes = t.deletes + u.deletes, ' +
  'truncates = t.truncates + u.truncates, errors = t.errors + u.errors ' +
  'FROM jsonb_to_recordset($2::jsonb) AS u("schema" text, "table" text, inserts int8, updates int8, deletes int8, truncates int8, errors int8) ' +
  'WHERE t.task = $1 AND t.source_schema = u."schema" AND t.source_table = u."table"';

/** Writes what came of a group's changes, in the group's transaction. */
export class OutcomeWriter {
  private wroteUnplaced = false;

  constructor(
    private readonly task: string,
    private readonly outcome: GroupOutcome,
  ) {}

  /** Bounds the letters kept, between two slices of a large transaction. */
  async writeSome(client: Client): Promise<void> {
    if (this.outcome.hasManyLetters) await this.writeLetters(client);
  }

  /** Writes everything. `position`: that of a large transaction. */
  async write(pipeline: Pipeline, position: Position | null): Promise<void> {
    this.writeCounts(pipeline);
    await this.writeLetters(pipeline);
    if (this.wroteUnplaced) await this.placeLetters(await pipeline.client(), position);
    for (const { source, reason } of this.outcome.suspended()) {
      const client = await pipeline.client();
      await client.query(
        `UPDATE millrace.table_state SET state = 'error', error_code = $4, error_message = $5 WHERE task = $1 AND source_schema = $2 AND source_table = $3`,
        [this.task, source.schema, source.table, reason.code, reason.message],
      );
    }
  }

  private writeCounts(pipeline: Pipeline): void {
    const counts = this.outcome.countsByTable().map(({ source, ...rest }) => ({ ...source, ...rest }));
    if (counts.length > 0) pipeline.add({ text: COUNT, values: [this.task, JSON.stringify(counts)] });
  }

  private async writeLetters(to: Client | Pipeline): Promise<void> {
    const letters = this.outcome.takeLetters();
    if (letters.length === 0) return;
    const client = to instanceof Pipeline ? await to.client() : to;
    const positions = letters.map(({ position }) => position ?? NO_POSITION);
    this.wroteUnplaced ||= letters.some(({ position }) => position === null);
    await client.query(
      'INSERT INTO millrace.dead_letter (task, source_schema, source_table, position_source, position_timeline, position_key, ordinal, kind, code, message, before, after) ' +
        'SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::int8[], $6::text[], $7::int4[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])',
      [
        this.task,
        letters.map(({ source }) => source.schema),
        letters.map(({ source }) => source.table),
        positions.map(({ source }) => source),
        positions.map(({ timeline }) => timeline),
        positions.map(({ key }) => key),
        letters.map(({ ordinal }) => ordinal),
        letters.map(({ kind }) => kind),
        letters.map(({ reason }) => reason.code),
        letters.map(({ reason }) => reason.message),
        letters.map(({ before }) => before),
        letters.map(({ after }) => after),
      ],
    );
  }

  private async placeLetters(client: Client, position: Position | null): Promise<void> {
    await client.query(
      'UPDATE millrace.dead_letter SET position_source = $2, position_timeline = $3, position_key = $4 WHERE task = $1 AND position_source = $5 AND position_key = $6',
      [this.task, position?.source ?? '', position?.timeline ?? 0, position?.key ?? '', NO_POSITION.source, NO_POSITION.key],
    );
  }
}
