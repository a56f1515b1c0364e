import pg from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from '../servers.js';
import { differences } from './canonical-digest.js';

const TABLES = [{ schema: 'public', table: 't' }];

/** Differences of two databases of which each ran its statement. */
async function differencesOf(source: string, target: string): Promise<string[]> {
  await using one = await createDatabase();
  await using other = await createDatabase();
  for (const [url, statement] of [
    [one.url, source],
    [other.url, target],
  ] as const) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(statement);
    await client.end();
  }
  return await differences({ source: one.url, target: other.url }, TABLES);
}

test('rows are a multiset: another order on disk is no difference, another number of equal rows is', async () => {
  const create = 'CREATE TABLE t (a int);';
  expect(
    await differencesOf(`${create} INSERT INTO t VALUES (1), (2), (2)`, `${create} INSERT INTO t VALUES (2), (1), (2)`),
  ).toEqual([]);
  expect(
    await differencesOf(`${create} INSERT INTO t VALUES (1), (2), (2)`, `${create} INSERT INTO t VALUES (1), (1), (2)`),
  ).toEqual([
    '"public"."t": 3 rows in the source, 3 in the target',
    '"public"."t": only in the source: 1:2;',
    '"public"."t": only in the target: 1:1;',
  ]);
});

test.each<[what: string, type: string, source: string, target: string]>([
  ['empty from null', 'text', "''", 'NULL'],
  ['a null composite from one of nulls', 'pair', 'NULL', "'(,)'"],
  ['minus zero from zero', 'float8', "'-0'", "'0'"],
  ['a decimal scale', 'numeric', "'1.0'", "'1.00'"],
  ['duplicate keys in json', 'json', '\'{"a":1,"a":2}\'', '\'{"a":2}\''],
  ['the last digit of a double', 'float8', "'0.30000000000000004'", "'0.3'"],
  ['array bounds', 'int[]', "'[0:0]={1}'", "'{1}'"],
  ['a zone', 'timetz', "'12:00+00'", "'13:00+01'"],
  ['composed from decomposed characters', 'text', "E'\\u00e9'", "E'e\\u0301'"],
])('tells %s', async (_, type, source, target) => {
  const create = `CREATE TYPE pair AS (a int, b int); CREATE TABLE t (a ${type});`;
  const found = await differencesOf(`${create} INSERT INTO t VALUES (${source})`, `${create} INSERT INTO t VALUES (${target})`);
  expect(found.length).toBe(3);
});

test('a missing table, another type, key, nullability or generation is a difference without any row', async () => {
  expect(await differencesOf('CREATE TABLE t (a int)', 'SELECT')).toEqual(['"public"."t" is not there']);
  expect(
    await differencesOf(
      'CREATE TABLE t (a int PRIMARY KEY, b char(3), c int GENERATED ALWAYS AS (a + 1) STORED, d int GENERATED ALWAYS AS IDENTITY)',
      'CREATE TABLE t (a int, b char(4), c int, d int NOT NULL)',
    ),
  ).toEqual([
    '"public"."t": columns (a integer not null; b character(3); c integer generated (a + 1); d integer not null identity always) became (a integer; b character(4); c integer; d integer not null)',
    '"public"."t": primary key (a) became ()',
  ]);
});
