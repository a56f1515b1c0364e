import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOSTILE_IDENTIFIERS } from '../corpus/hostile-identifiers.js';
import { differences, type TableName } from '../digest/canonical-digest.js';
import { ReplicationPair, told } from './replication-pair.js';

const EVERYTHING = {
  rules: [
    {
      'rule-type': 'selection',
      'rule-id': '1',
      'rule-name': 'all',
      'object-locator': { 'schema-name': '%', 'table-name': '%' },
      'rule-action': 'include',
    },
  ],
};

/** Tables whose qualified names are alike when joined by a dot, folded or mangled. */
const LOOK_ALIKES: readonly TableName[] = [
  { schema: 'l', table: 'm.n' },
  { schema: 'l.m', table: 'n' },
  { schema: 'l_m', table: 'n' },
  { schema: 'L', table: 'm.n' },
  { schema: 'l', table: 'm_n' },
  { schema: 'l', table: '"m.n"' },
  { schema: 'l"."m', table: 'n' },
];

/** A table whose schema, name, columns, enum and its labels are all hostile, each identifier in each place once. */
interface HostileTable extends TableName {
  readonly key: string;
  readonly text: string;
  readonly mood: string;
  readonly type: string;
  readonly label: string;
}

const TABLES: readonly HostileTable[] = HOSTILE_IDENTIFIERS.map((schema, index) => {
  const next = (by: number): string => HOSTILE_IDENTIFIERS[(index + by) % HOSTILE_IDENTIFIERS.length] ?? '';
  return { schema, table: next(1), key: next(2), text: next(3), mood: next(4), type: next(5), label: next(6) };
});
const WIDE: TableName = { schema: 'wide', table: 'wide' };

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const qualified = ({ schema, table }: TableName): string => `${quote(schema)}.${quote(table)}`;

let pair: ReplicationPair;
const names: readonly TableName[] = [...TABLES, ...LOOK_ALIKES, WIDE];

beforeAll(async () => {
  pair = await ReplicationPair.create({ tableMappings: EVERYTHING });
  const { source } = pair;
  for (const table of TABLES) {
    const type = `${quote(table.schema)}.${quote(table.type)}`;
    await source.query(`
      CREATE SCHEMA ${quote(table.schema)};
      CREATE TYPE ${type} AS ENUM (${literal(table.label)}, 'plain');
      CREATE TABLE ${qualified(table)} (${quote(table.key)} int PRIMARY KEY, ${quote(table.text)} text DEFAULT ${literal(table.text)}, ${quote(table.mood)} ${type} NOT NULL);
      INSERT INTO ${qualified(table)} SELECT i, ${literal(table.schema)}, ${literal(table.label)} FROM generate_series(1, 3) i`);
  }
  for (const { schema, table } of LOOK_ALIKES) {
    await source.query(
      `CREATE SCHEMA IF NOT EXISTS ${quote(schema)}; CREATE TABLE ${qualified({ schema, table })} (id int PRIMARY KEY, whose text)`,
    );
    await source.query(`INSERT INTO ${qualified({ schema, table })} VALUES (1, $1)`, [`${schema}/${table}`]);
  }
  await source.query(`
    CREATE SCHEMA wide;
    CREATE TYPE wide.labels AS ENUM (${HOSTILE_IDENTIFIERS.map(literal).join(', ')});
    CREATE TABLE wide.wide (id int PRIMARY KEY, label wide.labels, ${HOSTILE_IDENTIFIERS.map((name) => `${quote(name)} text`).join(', ')})`);
  await source.query(
    `INSERT INTO wide.wide (id, label) SELECT row_number() OVER (), l FROM unnest(enum_range(NULL::wide.labels)) l`,
  );
});

afterAll(() => pair[Symbol.asyncDispose]());

async function expectEqual(until: 'loaded' | 'caught-up'): Promise<void> {
  const end = await pair.run(until);
  expect(end.code, told(end)).toBe(0);
  expect(await differences(pair.urls, names)).toEqual([]);
}

describe('hostile identifiers as schema, table, column, enum and label', () => {
  test('are loaded', () => expectEqual('loaded'));

  test('are changed: inserts, updates, moved keys, deletes', async () => {
    for (const table of TABLES) {
      const [name, key, text, mood] = [qualified(table), quote(table.key), quote(table.text), quote(table.mood)];
      await pair.source.query(`
        INSERT INTO ${name} VALUES (4, DEFAULT, ${literal(table.label)});
        UPDATE ${name} SET ${text} = ${literal(table.key)}, ${mood} = 'plain' WHERE ${key} = 1;
        UPDATE ${name} SET ${key} = 20 WHERE ${key} = 2;
        DELETE FROM ${name} WHERE ${key} = 3`);
    }
    for (const table of LOOK_ALIKES)
      await pair.source.query(
        `UPDATE ${qualified(table)} SET whose = whose || '!'; INSERT INTO ${qualified(table)} VALUES (2, 'new')`,
      );
    const assignments = HOSTILE_IDENTIFIERS.map((name) => `${quote(name)} = ${literal(name)}`);
    await pair.source.query(
      `UPDATE wide.wide SET ${assignments.join(', ')} WHERE id % 2 = 0; INSERT INTO wide.wide (id, label) VALUES (1000, '.')`,
    );
    await expectEqual('caught-up');
  });

  test('are altered: columns added, renamed and dropped in one transaction', async () => {
    const altered = TABLES.filter((_, index) => index % 9 === 0);
    for (const table of altered) {
      const name = qualified(table);
      await pair.source.query(`
        ALTER TABLE ${name} ADD COLUMN ${quote(table.type)} text DEFAULT ${literal(table.label)};
        INSERT INTO ${name} VALUES (5, 'x', 'plain', 'y');
        ALTER TABLE ${name} RENAME COLUMN ${quote(table.text)} TO ${quote(table.label)};
        UPDATE ${name} SET ${quote(table.label)} = 'renamed' WHERE ${quote(table.key)} = 5;
        ALTER TABLE ${name} DROP COLUMN ${quote(table.type)};
        INSERT INTO ${name} VALUES (6, 'z', 'plain')`);
    }
    await expectEqual('caught-up');
  });

  test('and verify finds them equal and names them as they are', async () => {
    const end = await pair.verify();
    expect(end.code, told(end)).toBe(0);
    const verified = end.lines
      .filter(({ event }) => event === 'table')
      .map((line) => `${String(line['schema'])}\0${String(line['table'])}`);
    expect(verified.sort()).toEqual(names.map(({ schema, table }) => `${schema}\0${table}`).sort());
  });
});
