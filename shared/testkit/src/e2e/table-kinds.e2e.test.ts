import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences } from '../digest/canonical-digest.js';
import type { CommandEnd } from './millrace-command.js';
import { ReplicationPair, told } from './replication-pair.js';
import { TABLE_KINDS, type TableKind } from './table-kinds.js';

let pair: ReplicationPair;
/** By kind: what differed after the load, looked at before the changes were made. */
const afterLoad = new Map<TableKind, readonly string[]>();
let caughtUp: CommandEnd;

const namesOf = ({ tables }: TableKind) => tables.map((table) => ({ schema: 'kinds', table }));

beforeAll(async () => {
  pair = await ReplicationPair.create({ include: ['kinds.%'] });
  await pair.source.query(
    'CREATE SCHEMA kinds; CREATE VIEW kinds.a_view AS SELECT 1 AS a; CREATE MATERIALIZED VIEW kinds.kept_view AS SELECT 1 AS a; CREATE UNLOGGED TABLE kinds.unlogged (a int PRIMARY KEY)',
  );
  for (const { setup } of TABLE_KINDS) await pair.source.query(setup);
  const loaded = await pair.run('loaded');
  expect(loaded.code, told(loaded)).toBe(0);
  for (const kind of TABLE_KINDS) afterLoad.set(kind, await differences(pair.urls, namesOf(kind)));
  for (const change of TABLE_KINDS.flatMap(({ changes }) => changes)) await pair.source.query(`BEGIN; ${change}; COMMIT`);
  caughtUp = await pair.run('caught-up');
}, 180_000);

afterAll(() => pair[Symbol.asyncDispose]());

test('nothing is set aside', () => {
  expect(caughtUp.code, told(caughtUp)).toBe(0);
});

describe.each(TABLE_KINDS)('tables $name', (kind) => {
  test('are loaded', () => {
    expect(afterLoad.get(kind)).toEqual([]);
  });

  test('follow the changes', async () => {
    expect(await differences(pair.urls, namesOf(kind))).toEqual([]);
  });
});

test('views, materialized and unlogged tables are passed over by a wildcard', async () => {
  const { rows } = await pair.target.query(
    "SELECT relname FROM pg_class WHERE relnamespace = 'kinds'::regnamespace AND relname IN ('a_view', 'kept_view', 'unlogged')",
  );
  expect(rows).toEqual([]);
});

test("the product's own verify finds them equal", async () => {
  const end = await pair.verify();
  expect(end.code, told(end)).toBe(0);
});
