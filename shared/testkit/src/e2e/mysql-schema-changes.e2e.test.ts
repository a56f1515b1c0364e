import { describe, expect, test } from 'vitest';
import { commonDifferences } from '../digest/common-rows.js';
import { EnginePair } from './engine-pair.js';
import { told } from './replication-pair.js';

/** One statement a line; `@` stands for the source's database. */
interface Story {
  readonly name: string;
  readonly before: readonly string[];
  readonly statements: readonly string[];
  /** Tables that both ends hold in the end. */
  readonly tables: readonly string[];
  /** Tables that the target holds no more. */
  readonly gone?: readonly string[];
}

const T = 'CREATE TABLE @.t (id int PRIMARY KEY, a int, b varchar(20))';

const STORIES: readonly Story[] = [
  {
    name: '#28 rows land under the schema that each was written with: DDL, DML, DDL in one breath',
    before: [T, "INSERT INTO @.t VALUES (1, 1, 'one')"],
    statements: [
      "INSERT INTO @.t VALUES (2, 2, 'two')",
      'ALTER TABLE @.t ADD COLUMN c int NOT NULL DEFAULT 7',
      "INSERT INTO @.t VALUES (3, 3, 'three', 33)",
      'ALTER TABLE @.t DROP COLUMN a',
      "INSERT INTO @.t VALUES (4, 'four', 44)",
      'ALTER TABLE @.t CHANGE COLUMN b label varchar(40)',
      "UPDATE @.t SET label = CONCAT(label, '!')",
      'ALTER TABLE @.t MODIFY COLUMN c bigint',
      'INSERT INTO @.t VALUES (5, NULL, 9223372036854775807)',
    ],
    tables: ['t'],
  },
  {
    name: 'a new label of an enumeration, and rows that use it',
    before: ["CREATE TABLE @.t (id int PRIMARY KEY, mood enum('sad','ok'))", "INSERT INTO @.t VALUES (1, 'sad')"],
    statements: ["ALTER TABLE @.t MODIFY COLUMN mood enum('sad','ok','happy')", "INSERT INTO @.t VALUES (2, 'happy')"],
    tables: ['t'],
  },
  {
    name: '#28 the renames of an online schema change bring the new table with all its rows',
    before: [T, "INSERT INTO @.t VALUES (1, 1, 'one'), (2, 2, 'two')"],
    statements: [
      'CREATE TABLE @._t_gho (id int PRIMARY KEY, a int, b varchar(20), c int DEFAULT 5)',
      'INSERT INTO @._t_gho (id, a, b) SELECT id, a, b FROM @.t',
      "INSERT INTO @._t_gho (id, a, b) VALUES (3, 3, 'three')",
      'RENAME TABLE @.t TO @._t_del, @._t_gho TO @.t',
      "INSERT INTO @.t VALUES (4, 4, 'four', 44)",
      'DROP TABLE @._t_del',
    ],
    tables: ['t'],
    gone: ['_t_gho', '_t_del'],
  },
  {
    name: 'a table that is emptied, one that is dropped, one that is new and one that is made from another',
    before: [T, "INSERT INTO @.t VALUES (1, 1, 'one')", 'CREATE TABLE @.u (id int PRIMARY KEY)', 'INSERT INTO @.u VALUES (1)'],
    statements: [
      'TRUNCATE TABLE @.t',
      "INSERT INTO @.t VALUES (9, 9, 'nine')",
      'DROP TABLE @.u',
      'CREATE TABLE @.v (id int PRIMARY KEY, at timestamp(3) NULL)',
      "INSERT INTO @.v VALUES (1, '2024-02-03 04:05:06.789')",
      'CREATE TABLE @.w LIKE @.t',
      'INSERT INTO @.w SELECT * FROM @.t',
    ],
    tables: ['t', 'v', 'w'],
    gone: ['u'],
  },
];

describe.each(['mysql', 'mariadb'] as const)('%s to PostgreSQL', (from) => {
  test.each(STORIES)('$name', async ({ before, statements, tables, gone }) => {
    await using pair = await EnginePair.create({ from, to: 'postgres' });
    const source = (statement: string): Promise<void> => pair.source.execute(statement.replaceAll('@', pair.source.schema));
    for (const statement of before) await source(statement);
    const run = await pair.start();
    await run.line(({ event }) => event === 'loaded', 'loaded');
    for (const statement of statements) await source(statement);
    run.signal('SIGTERM');
    const stopped = await run.ended;
    expect(stopped.code, told(stopped)).toBe(0);
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    expect(await commonDifferences(pair.source, pair.target, tables)).toEqual([]);
    const present = await pair.target.rows(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = 'app' ORDER BY 1",
    );
    expect(present.flat()).toEqual([...tables]);
    for (const table of gone ?? []) expect(present.flat()).not.toContain(table);
    const verdict = await pair.verify();
    expect(verdict.code, told(verdict)).toBe(0);
  });
});
