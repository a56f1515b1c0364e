import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MillraceCommand } from './millrace-command.js';
import { ReplicationPair, told } from './replication-pair.js';

const locator = { 'schema-name': 'headers', 'table-name': '%' };

function addColumn(id: number, name: string, expression: string, type: object, table = '%') {
  return {
    'rule-type': 'transformation',
    'rule-id': id,
    'rule-target': 'column',
    'rule-action': 'add-column',
    'object-locator': { ...locator, 'table-name': table },
    value: name,
    expression,
    'data-type': type,
  };
}

const text = { type: 'string', length: 50 };
const time = { type: 'datetime', precision: 6 };
const tableMappings = {
  rules: [
    { 'rule-type': 'selection', 'rule-id': 1, 'rule-action': 'include', 'object-locator': locator },
    addColumn(2, 'op', '$AR_H_OPERATION', text),
    addColumn(3, 'lsn', "substr($AR_H_STREAM_POSITION, 1, 8) || '/' || substr($AR_H_STREAM_POSITION, 9)", text),
    addColumn(4, 'at', '$AR_H_COMMIT_TIMESTAMP', time),
    addColumn(5, 'seq', '$AR_H_CHANGE_SEQ', text),
    addColumn(6, 'xid', '$AR_H_TRANSACTION_ID', text),
    addColumn(7, 'now', "strftime('%Y-%m-%d %H:%M:%f', 'now')", text),
    addColumn(8, 'flag', "operation_indicator('D', 'U', 'I')", text, 'kept'),
  ],
};
/** Deleted rows stay, so an insert must overwrite. */
const taskSettings = { ErrorBehavior: { ApplyErrorInsertPolicy: 'UPDATE_RECORD' } };

let pair: ReplicationPair;
let before: string;
let after: string;

async function endOfLog(): Promise<string> {
  const { rows } = await pair.source.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
  return rows[0]?.lsn ?? '';
}

async function target(sql: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
  const { rows } = await pair.target.query<Record<string, unknown>>(sql, [...values]);
  return rows;
}

beforeAll(async () => {
  pair = await ReplicationPair.create({ tableMappings, taskSettings });
  await pair.source.query(`
    CREATE SCHEMA headers;
    CREATE TABLE headers.plain (id int PRIMARY KEY, note text);
    CREATE TABLE headers.kept (id int PRIMARY KEY, note text);
    INSERT INTO headers.plain SELECT i, 'loaded' FROM generate_series(1, 10) i;
    INSERT INTO headers.kept SELECT i, 'loaded' FROM generate_series(1, 10) i`);
  const loaded = await pair.run('loaded');
  expect(loaded.code, told(loaded)).toBe(0);
}, 180_000);

afterAll(() => pair[Symbol.asyncDispose]());

test('a loaded row is an insert at the time of the load, with no position and no sequence', async () => {
  expect(
    await target(`SELECT DISTINCT op, lsn, seq, xid, date_trunc('milliseconds', at) = now::timestamp AS same,
                         at AT TIME ZONE 'UTC' BETWEEN now() - interval '10 min' AND now() AS recent
                  FROM headers.plain`),
  ).toEqual([{ op: 'INSERT', lsn: '/', seq: '', xid: '', same: true, recent: true }]);
});

describe('a change', () => {
  beforeAll(async () => {
    before = await endOfLog();
    await pair.source.query(`
      BEGIN; UPDATE headers.plain SET note = 'one' WHERE id = 1; INSERT INTO headers.plain VALUES (11, 'one'); COMMIT`);
    await pair.source.query("UPDATE headers.plain SET note = 'two' WHERE id IN (2, 3)");
    // More than a slice holds.
    await pair.source.query("INSERT INTO headers.plain SELECT i, repeat('x', 900) FROM generate_series(1001, 5000) i");
    after = await endOfLog();
    await pair.source.query('DELETE FROM headers.kept WHERE id IN (1, 2)');
    await pair.source.query("INSERT INTO headers.kept VALUES (1, 'again'); UPDATE headers.kept SET note = 'new' WHERE id = 3");
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
  }, 180_000);

  test("has its transaction's commit: one place in the source's log and one time, which lies behind every loaded row's", async () => {
    const groups = await target(
      `SELECT min(id) AS first, count(*)::int AS rows, count(DISTINCT (lsn, at, xid))::int AS commits,
              bool_and(lsn::pg_lsn BETWEEN $1::pg_lsn AND $2::pg_lsn) AS within,
              bool_and(at >= (SELECT max(at) FROM headers.plain WHERE op = 'INSERT' AND seq = '')) AS later
       FROM headers.plain WHERE seq > '' GROUP BY xid ORDER BY min(lsn::pg_lsn)`,
      [before, after],
    );
    const whole = { commits: 1, within: true, later: true };
    expect(groups).toEqual([
      { first: 1, rows: 2, ...whole },
      { first: 2, rows: 2, ...whole },
      { first: 1001, rows: 4000, ...whole },
    ]);
  });

  test('has a sequence that grows in commit order and is its own', async () => {
    const rows = await target("SELECT id, op FROM headers.plain WHERE seq > '' AND id < 1000 ORDER BY seq");
    expect(rows).toEqual([
      { id: 1, op: 'UPDATE' },
      { id: 11, op: 'INSERT' },
      { id: 2, op: 'UPDATE' },
      { id: 3, op: 'UPDATE' },
    ]);
    expect(
      await target(`SELECT count(DISTINCT seq)::int AS different, bool_and(seq ~ '^[0-9]{35}$') AS formed,
                           bool_and(seq > previous) AS grows
                    FROM (SELECT seq, lag(seq) OVER (ORDER BY id) AS previous FROM headers.plain WHERE id > 1000) s`),
    ).toEqual([{ different: 4000, formed: true, grows: true }]);
  });

  test('that deletes a row of a table with operation_indicator() flags it, and one that inserts it again overwrites it', async () => {
    expect(await target('SELECT id, note, flag, op FROM headers.kept WHERE id < 5 ORDER BY id')).toEqual([
      { id: 1, note: 'again', flag: 'I', op: 'INSERT' },
      { id: 2, note: 'loaded', flag: 'D', op: 'DELETE' },
      { id: 3, note: 'new', flag: 'U', op: 'UPDATE' },
      { id: 4, note: 'loaded', flag: 'I', op: 'INSERT' },
    ]);
  });

  test('is shown by `millrace journal` with the commit that its Begin says', async () => {
    const end = await MillraceCommand.run(['journal', ...pair.flags.slice(0, 2), ...pair.flags.slice(6, 10)]);
    expect(end.code, end.stderr).toBe(0);
    const events = end.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line): Record<string, unknown> => JSON.parse(line));
    const begins = events.filter(({ event }) => event === 'begin');
    const commits = events.filter(({ event }) => event === 'commit');
    expect(begins.length).toBeGreaterThan(4);
    expect(begins.map(({ committedAt }) => committedAt)).toEqual(commits.map(({ committedAt }) => committedAt));
    for (const [index, { position }] of begins.entries()) {
      expect(position).toMatch(/^[0-9a-f]{16}$/);
      expect(String(position) < String(commits[index]?.['position'])).toBe(true);
    }
  });
});
