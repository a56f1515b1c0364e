import { Buffer } from 'node:buffer';
import type { TableId } from '@millrace/contract/table.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase, uniqueWord } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import copyStreams from 'pg-copy-streams';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assessTarget } from './assess.js';
import { finishTable } from './finish-load.js';
import { copyChunk } from './load.js';
import { prepareTable } from './prepare.js';
import { openSinkSession } from './session.js';
import { describeTable } from './testing/describe-table.js';
import { chunkOf, versionOf } from './testing/table-schemas.js';
import { inTransaction } from './transaction.js';

/** Types with values at their edges, as PostgreSQL's own input reads them. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  boolean: ['t', 'f'],
  smallint: ['-32768', '32767'],
  integer: ['-2147483648', '2147483647'],
  bigint: ['-9223372036854775808', '9223372036854775807'],
  real: ['NaN', '-Infinity', '3.4028235e38', '1e-45', '-0', '0.1'],
  'double precision': ['NaN', 'Infinity', '1.7976931348623157e308', '5e-324', '-0', '0.1'],
  numeric: ['NaN', 'Infinity', '-0.00', '1e131071', `0.${'0'.repeat(1000)}1`],
  'numeric(10,2)': ['NaN', '-99999999.99'],
  'numeric(5,-3)': ['99999000'],
  money: ['-92233720368547758.08', '92233720368547758.07'],
  text: ['', ' ', '\\N', '\\.', 'tab\tnewline\nreturn\rback\\slash', 'ünï\u{1f600}'],
  'character varying(3)': ['', 'ab ', 'äöü'],
  'character(3)': ['', 'a'],
  name: ['a "b"'],
  '"char"': ['', 'x'],
  bytea: ['', '\\x00ff5c0a'],
  date: ['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31'],
  'time without time zone': ['00:00:00', '24:00:00', '23:59:59.999999'],
  'time(3) with time zone': ['24:00:00-15:59:59', '00:00:00.123+15:59'],
  'timestamp without time zone': ['infinity', '-infinity', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999'],
  'timestamp(0) with time zone': ['infinity', '2001-02-03 04:05:06+01'],
  interval: ['-178000000 years', '1 mon -1 day +00:00:00.000001', '00:00:00'],
  'interval year to month': ['1 year 2 mons'],
  uuid: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  json: ['{"b": 1,  "a":2, "a": 3}', 'null', '12345678901234567890.10', '"\\u0000"'],
  jsonb: ['{"b": 1, "a": 2}', '1e1000', '"tab\\t"'],
  jsonpath: ['$."a"[*]?(@ > 1)'],
  xml: ['<a>&lt;</a>', 'text only'],
  inet: ['::1/64', '10.0.0.1/8'],
  cidr: ['10.0.0.0/8'],
  macaddr: ['08:00:2b:01:02:03'],
  macaddr8: ['08:00:2b:01:02:03:04:05'],
  'bit(3)': ['101'],
  'bit varying(5)': ['', '10101'],
  point: ['(-0,1e300)'],
  line: ['{1,2,3}'],
  lseg: ['[(1,2),(3,4)]'],
  box: ['(3,4),(1,2)'],
  path: ['((1,2),(3,4))', '[(1,2)]'],
  polygon: ['((1,2),(3,4),(5,6))'],
  circle: ['<(1,2),3>'],
  tsvector: ["'a':1A 'b''c':2"],
  tsquery: ["'a' & !'b' <-> 'c'"],
  int4range: ['empty', '[1,)', '(,)'],
  numrange: ['[0.10,0.20]'],
  tstzrange: ['["2001-02-03 00:00:00+00",infinity)'],
  int8multirange: ['{}', '{[1,2),[5,)}'],
  oid: ['4294967295'],
  xid: ['4294967295'],
  pg_lsn: ['FFFFFFFF/FFFFFFFF'],
  txid_snapshot: ['10:20:10,14'],
  'integer[]': ['{}', '{1,NULL,-1}', '[0:1][2:3]={{1,2},{3,4}}'],
  'text[]': ['{"",NULL,"NULL","a,b","q\\"q","back\\\\slash","new\nline"}'],
  'character varying(2)[]': ['{ab}'],
  'timestamp(3) without time zone[]': ['{infinity,"2001-02-03 04:05:06.789"}'],
  'app."Mood"': ["it's", 'low'],
  'app."Mood"[]': ["{low,it's}"],
};

const ALL: TableId = { schema: 'app', table: 'every type' };
let databases: readonly [TestDatabase, TestDatabase];
let source: Client;
const role = uniqueWord();

beforeAll(async () => {
  databases = [await createDatabase(), await createDatabase()];
  source = await connect(databases[0].url);
  const columns = Object.keys(TYPES).map((type, index) => `c${index} ${type}`);
  await source.query(
    `CREATE SCHEMA app; CREATE TYPE app."Mood" AS ENUM ('low', 'it''s'); CREATE TABLE app."every type" (id int PRIMARY KEY, ${columns.join(', ')})`,
  );
  await source.query('INSERT INTO app."every type" (id) VALUES (0)');
  for (const [index, values] of Object.values(TYPES).entries()) {
    for (const [row, value] of values.entries()) {
      await source.query(`INSERT INTO app."every type" (id, c${index}) VALUES ($1, $2)`, [1000 * (index + 1) + row, value]);
    }
  }
});

afterAll(async () => {
  await closeSession(source);
  const admin = await connect(databases[1].url);
  await admin.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  await closeSession(admin);
  for (const database of databases) await database[Symbol.asyncDispose]();
});

async function connect(url: string): Promise<Client> {
  return (await openSinkSession(parseConnectionUrl(url, 'target'), 'millrace:test:sink:1')).client;
}

async function copyText(client: Client): Promise<Buffer> {
  const parts: Buffer[] = [];
  const stream = client.query(copyStreams.to('COPY (SELECT * FROM app."every type" ORDER BY id) TO STDOUT'));
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

test('every type of PostgreSQL is made with its modifier and loaded with its edge values, by a role that may only create', async () => {
  const admin = await connect(databases[1].url);
  await admin.query(`CREATE ROLE ${role} LOGIN; GRANT CREATE ON DATABASE ${databases[1].name} TO ${role}`);
  await closeSession(admin);
  const url = new URL(databases[1].url);
  url.username = role;
  const target = await connect(url.href);
  const schema = await describeTable(source, ALL);
  const bytes = await copyText(source);
  expect(await assessTarget(target, [schema], 'DO_NOTHING')).toEqual([]);
  const rows = bytes.filter((byte) => byte === 0x0a).length;
  await inTransaction(target, async () => {
    expect(await prepareTable(target, schema, 'DO_NOTHING')).toEqual({ created: true, wasEmpty: true, findings: [] });
    expect(await copyChunk(target, chunkOf(versionOf(schema), 'postgresql-copy-text', [{ bytes, rows }]))).toEqual({
      rows: BigInt(rows),
      refused: 0,
    });
    await finishTable(target, schema);
  });
  expect((await copyText(target)).equals(bytes)).toBe(true);
  expect(await describeTable(target, ALL)).toEqual(schema);
  // The table that was made is one that the source's rows fit into.
  expect(await assessTarget(target, [schema], 'DO_NOTHING')).toEqual([]);
  await closeSession(target);
});
