/** A kind of table: what is there before the load, and what is done to it afterwards. Everything lies in schema `kinds`. */
export interface TableKind {
  readonly name: string;
  readonly tables: readonly string[];
  readonly setup: string;
  /** Each element is one transaction. */
  readonly changes: readonly string[];
}

const LARGE = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i)";

export const TABLE_KINDS: readonly TableKind[] = [
  {
    name: 'without a key, whatever its types: one of several equal rows is touched',
    tables: ['keyless', 'keyless_wide'],
    setup: `
      CREATE TABLE kinds.keyless (j json, x xml, p point, n numeric, t text);
      ALTER TABLE kinds.keyless REPLICA IDENTITY FULL;
      INSERT INTO kinds.keyless SELECT '{"a": 1}', '<a/>', '(1,2)', 1.0, NULL FROM generate_series(1, 5);
      INSERT INTO kinds.keyless SELECT '{"a": 1}', '<a/>', '(1,2)', 1.00, NULL FROM generate_series(1, 3);
      INSERT INTO kinds.keyless VALUES (NULL, NULL, NULL, NULL, NULL), (NULL, NULL, NULL, NULL, NULL);
      CREATE TABLE kinds.keyless_wide (a int, large text);
      ALTER TABLE kinds.keyless_wide REPLICA IDENTITY FULL;
      INSERT INTO kinds.keyless_wide SELECT 1, ${LARGE} FROM generate_series(1, 3)`,
    changes: [
      "DELETE FROM kinds.keyless WHERE ctid = (SELECT min(ctid) FROM kinds.keyless WHERE n::text = '1.00')",
      "UPDATE kinds.keyless SET t = 'one' WHERE ctid = (SELECT max(ctid) FROM kinds.keyless WHERE n::text = '1.0')",
      "UPDATE kinds.keyless SET n = 1.00 WHERE ctid = (SELECT min(ctid) FROM kinds.keyless WHERE n::text = '1.0')",
      'DELETE FROM kinds.keyless WHERE ctid = (SELECT max(ctid) FROM kinds.keyless WHERE n IS NULL)',
      'INSERT INTO kinds.keyless SELECT * FROM kinds.keyless',
      'UPDATE kinds.keyless_wide SET a = 2 WHERE ctid = (SELECT min(ctid) FROM kinds.keyless_wide)',
      'UPDATE kinds.keyless_wide SET a = 3; DELETE FROM kinds.keyless_wide WHERE ctid = (SELECT min(ctid) FROM kinds.keyless_wide)',
    ],
  },
  {
    name: 'partitioned, over two levels and with another column order in a leaf: rows move between leaves, a leaf is truncated',
    tables: ['parted'],
    setup: `
      CREATE TABLE kinds.parted (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
      CREATE TABLE kinds.parted_a PARTITION OF kinds.parted FOR VALUES IN ('a');
      CREATE TABLE kinds.parted_b (note text, dropped int, region text NOT NULL, id int NOT NULL);
      ALTER TABLE kinds.parted_b DROP COLUMN dropped;
      ALTER TABLE kinds.parted ATTACH PARTITION kinds.parted_b FOR VALUES IN ('b');
      CREATE TABLE kinds.parted_c PARTITION OF kinds.parted FOR VALUES IN ('c', 'd') PARTITION BY HASH (id);
      CREATE TABLE kinds.parted_c0 PARTITION OF kinds.parted_c FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE kinds.parted_c1 PARTITION OF kinds.parted_c FOR VALUES WITH (MODULUS 2, REMAINDER 1);
      CREATE TABLE kinds.parted_rest PARTITION OF kinds.parted DEFAULT;
      INSERT INTO kinds.parted SELECT i, substr('abcdz', 1 + i % 5, 1), 'row ' || i FROM generate_series(1, 200) i`,
    changes: [
      "UPDATE kinds.parted SET region = 'b' WHERE region = 'a' AND id % 3 = 0",
      "UPDATE kinds.parted SET region = 'c', id = id + 1000 WHERE region = 'b'",
      "DELETE FROM kinds.parted WHERE region = 'd' AND id < 100",
      "INSERT INTO kinds.parted SELECT i, 'b', 'new' FROM generate_series(2000, 2010) i; UPDATE kinds.parted SET note = 'updated' WHERE region IN ('b', 'z')",
      'TRUNCATE kinds.parted_c0',
      "INSERT INTO kinds.parted SELECT i, 'd', 'after' FROM generate_series(3000, 3010) i",
    ],
  },
  {
    name: 'an inheritance tree: each table carries its own rows',
    tables: ['parent', 'child', 'grandchild'],
    setup: `
      CREATE TABLE kinds.parent (id int PRIMARY KEY, a text);
      CREATE TABLE kinds.child (b int, PRIMARY KEY (id)) INHERITS (kinds.parent);
      CREATE TABLE kinds.grandchild (c int, PRIMARY KEY (id)) INHERITS (kinds.child);
      INSERT INTO kinds.parent VALUES (1, 'parent'), (2, 'parent');
      INSERT INTO kinds.child VALUES (1, 'child', 10), (3, 'child', 30);
      INSERT INTO kinds.grandchild VALUES (1, 'grandchild', 10, 100)`,
    changes: [
      "UPDATE kinds.parent SET a = a || '!'",
      'DELETE FROM kinds.parent WHERE id = 3',
      "INSERT INTO kinds.grandchild VALUES (4, 'new', 1, 2)",
      'DELETE FROM ONLY kinds.parent WHERE id = 1',
    ],
  },
  {
    name: 'generated columns are computed, never written',
    tables: ['generated'],
    setup: `
      CREATE TABLE kinds.generated (a int PRIMARY KEY, double int GENERATED ALWAYS AS (a * 2) STORED, t text, upper text GENERATED ALWAYS AS (upper(t)) STORED NOT NULL);
      INSERT INTO kinds.generated (a, t) SELECT i, 'row ' || i FROM generate_series(1, 20) i`,
    changes: [
      "INSERT INTO kinds.generated (a, t) VALUES (100, 'ü')",
      'UPDATE kinds.generated SET a = a + 1000 WHERE a < 5',
      "UPDATE kinds.generated SET t = 'changed' WHERE a > 10",
      'DELETE FROM kinds.generated WHERE double = 18',
    ],
  },
  {
    name: "identity and serial columns take the source's values",
    tables: ['identity_always', 'identity_default', 'serial'],
    setup: `
      CREATE TABLE kinds.identity_always (id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 7) PRIMARY KEY, t text);
      CREATE TABLE kinds.identity_default (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, other int, t text);
      CREATE TABLE kinds.serial (id serial PRIMARY KEY, t text);
      INSERT INTO kinds.identity_always (t) VALUES ('a'), ('b'), ('c'), ('d');
      INSERT INTO kinds.identity_default (id, t) VALUES (-5, 'a'), (DEFAULT, 'b');
      INSERT INTO kinds.serial (t) VALUES ('a'), ('b')`,
    changes: [
      "INSERT INTO kinds.identity_always (t) VALUES ('e'); UPDATE kinds.identity_always SET t = 'x' WHERE id = 100",
      'UPDATE kinds.identity_always SET id = DEFAULT WHERE id = 107; DELETE FROM kinds.identity_always WHERE id = 114',
      "INSERT INTO kinds.identity_default (t) VALUES ('c'); UPDATE kinds.identity_default SET id = 50 WHERE id = -5",
      "INSERT INTO kinds.serial (t) VALUES ('c'); UPDATE kinds.serial SET id = id + 10",
    ],
  },
  {
    name: 'deferrable keys: rows swap their keys in one statement',
    tables: ['deferrable_key', 'deferrable_unique'],
    setup: `
      CREATE TABLE kinds.deferrable_key (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, t text);
      ALTER TABLE kinds.deferrable_key REPLICA IDENTITY FULL;
      CREATE TABLE kinds.deferrable_unique (id int PRIMARY KEY, place int NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED);
      INSERT INTO kinds.deferrable_key SELECT i, 'row ' || i FROM generate_series(1, 10) i;
      INSERT INTO kinds.deferrable_unique SELECT i, i FROM generate_series(1, 10) i`,
    changes: [
      'UPDATE kinds.deferrable_key SET id = 11 - id',
      'UPDATE kinds.deferrable_unique SET place = 11 - place',
      'UPDATE kinds.deferrable_key SET id = id + 1; DELETE FROM kinds.deferrable_key WHERE id = 2',
      'UPDATE kinds.deferrable_unique SET place = place + 1',
    ],
  },
  {
    name: '#14 a TOASTed value that an update leaves alone stays, in any order of changes',
    tables: ['toast', 'toast_full'],
    setup: `
      CREATE TABLE kinds.toast (id int PRIMARY KEY, n int, large text, more bytea, list text[], doc jsonb);
      ALTER TABLE kinds.toast ALTER large SET STORAGE EXTERNAL;
      CREATE TABLE kinds.toast_full (id int PRIMARY KEY, n int, large text);
      ALTER TABLE kinds.toast_full REPLICA IDENTITY FULL;
      INSERT INTO kinds.toast SELECT i, 0, repeat('large ' || i, 2000), decode(${LARGE}, 'hex'), ARRAY[${LARGE}, NULL], jsonb_build_object('k', ${LARGE}) FROM generate_series(1, 10) i;
      INSERT INTO kinds.toast_full SELECT i, 0, ${LARGE} FROM generate_series(1, 5) i`,
    changes: [
      'UPDATE kinds.toast SET n = n + 1; UPDATE kinds.toast SET n = n + 1',
      'UPDATE kinds.toast SET id = id + 100 WHERE id <= 3; UPDATE kinds.toast SET n = 7 WHERE id = 101',
      "UPDATE kinds.toast SET large = 'short' WHERE id = 4; UPDATE kinds.toast SET n = 8 WHERE id = 4; UPDATE kinds.toast SET more = NULL WHERE id = 4",
      `INSERT INTO kinds.toast VALUES (50, 0, repeat('new', 5000), NULL, NULL, NULL); UPDATE kinds.toast SET n = 1 WHERE id = 50; UPDATE kinds.toast SET id = 51 WHERE id = 50`,
      'UPDATE kinds.toast SET id = 60 WHERE id = 5; UPDATE kinds.toast SET id = 5 WHERE id = 60; UPDATE kinds.toast SET id = 61 WHERE id = 5',
      'DELETE FROM kinds.toast WHERE id = 6; INSERT INTO kinds.toast (id, n) VALUES (6, 6); UPDATE kinds.toast SET n = 9 WHERE id = 6',
      'UPDATE kinds.toast_full SET n = 1; UPDATE kinds.toast_full SET id = id + 10 WHERE id < 3; DELETE FROM kinds.toast_full WHERE id = 5',
    ],
  },
  {
    name: '#47 keys move, are swapped and come back within a transaction',
    tables: ['moves', 'unique_moves'],
    setup: `
      CREATE TABLE kinds.moves (id int PRIMARY KEY, t text);
      INSERT INTO kinds.moves SELECT i, 'row ' || i FROM generate_series(1, 50) i;
      CREATE TABLE kinds.unique_moves (id int PRIMARY KEY, mail text UNIQUE, part int, piece int, UNIQUE (part, piece));
      INSERT INTO kinds.unique_moves SELECT i, 'm' || i, i / 5, i % 5 FROM generate_series(1, 50) i`,
    changes: [
      'UPDATE kinds.moves SET id = -1 WHERE id = 1; UPDATE kinds.moves SET id = 1 WHERE id = 2; UPDATE kinds.moves SET id = 2 WHERE id = -1',
      'UPDATE kinds.moves SET id = id + 1000; UPDATE kinds.moves SET id = id - 999',
      "DELETE FROM kinds.moves WHERE id = 10; INSERT INTO kinds.moves VALUES (10, 'again'); UPDATE kinds.moves SET id = 500 WHERE id = 10; INSERT INTO kinds.moves VALUES (10, 'third')",
      "INSERT INTO kinds.moves VALUES (900, 'short-lived'); UPDATE kinds.moves SET id = 901 WHERE id = 900; DELETE FROM kinds.moves WHERE id = 901",
      "SAVEPOINT s; UPDATE kinds.moves SET t = 'never'; ROLLBACK TO s; UPDATE kinds.moves SET t = 'kept' WHERE id = 20; SAVEPOINT s; DELETE FROM kinds.moves WHERE id = 21; RELEASE s",
      "UPDATE kinds.unique_moves SET mail = 'x' WHERE id = 1; UPDATE kinds.unique_moves SET mail = 'm1' WHERE id = 2; UPDATE kinds.unique_moves SET mail = 'm2' WHERE id = 1",
      "DELETE FROM kinds.unique_moves WHERE id = 3; INSERT INTO kinds.unique_moves VALUES (300, 'm3', 0, 3)",
      'UPDATE kinds.unique_moves SET part = part + 100; UPDATE kinds.unique_moves SET part = part - 99, id = id + 1000',
    ],
  },
  {
    name: 'TRUNCATE, alone, with cascade, between other changes',
    tables: ['truncated', 'referenced', 'referring'],
    setup: `
      CREATE TABLE kinds.truncated (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text);
      CREATE TABLE kinds.referenced (id int PRIMARY KEY);
      CREATE TABLE kinds.referring (id int PRIMARY KEY, to_id int REFERENCES kinds.referenced ON DELETE CASCADE);
      INSERT INTO kinds.truncated (t) SELECT 'row' FROM generate_series(1, 20);
      INSERT INTO kinds.referenced SELECT generate_series(1, 20);
      INSERT INTO kinds.referring SELECT i, i FROM generate_series(1, 20) i`,
    changes: [
      "INSERT INTO kinds.truncated (t) VALUES ('before'); TRUNCATE kinds.truncated RESTART IDENTITY; INSERT INTO kinds.truncated (t) VALUES ('after')",
      'DELETE FROM kinds.referenced WHERE id < 5',
      'TRUNCATE kinds.referenced CASCADE; INSERT INTO kinds.referenced VALUES (1); INSERT INTO kinds.referring VALUES (7, 1)',
      'TRUNCATE kinds.truncated; TRUNCATE kinds.truncated',
      "INSERT INTO kinds.truncated (t) VALUES ('last')",
    ],
  },
  {
    name: '#50 foreign keys that form a circle or point to the table itself',
    tables: ['egg', 'hen', 'tree'],
    setup: `
      CREATE TABLE kinds.egg (id int PRIMARY KEY, hen int);
      CREATE TABLE kinds.hen (id int PRIMARY KEY, egg int REFERENCES kinds.egg DEFERRABLE INITIALLY DEFERRED);
      ALTER TABLE kinds.egg ADD FOREIGN KEY (hen) REFERENCES kinds.hen DEFERRABLE INITIALLY DEFERRED;
      CREATE TABLE kinds.tree (id int PRIMARY KEY, parent int REFERENCES kinds.tree ON DELETE CASCADE);
      INSERT INTO kinds.tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 63) i`,
    changes: [
      'INSERT INTO kinds.hen VALUES (1, 1), (2, 2); INSERT INTO kinds.egg VALUES (1, 1), (2, 1)',
      'DELETE FROM kinds.tree WHERE id IN (5, 6)',
      'INSERT INTO kinds.tree VALUES (500, NULL); UPDATE kinds.tree SET parent = 500 WHERE id = 1; INSERT INTO kinds.tree SELECT i, i - 1 FROM generate_series(501, 520) i',
    ],
  },
  {
    name: 'identified by an index, with a key of several columns, and with a key behind the other columns',
    tables: ['by_index', 'composite_key', 'late_key'],
    setup: `
      CREATE TABLE kinds.by_index (a text NOT NULL, b int NOT NULL, c text);
      CREATE UNIQUE INDEX by_index_key ON kinds.by_index (b, a);
      ALTER TABLE kinds.by_index REPLICA IDENTITY USING INDEX by_index_key;
      CREATE TABLE kinds.composite_key (t text COLLATE "C", d date, n numeric(6,2), v int, PRIMARY KEY (n, t, d));
      CREATE TABLE kinds.late_key (v text, w text, id uuid PRIMARY KEY);
      INSERT INTO kinds.by_index SELECT 'a' || i % 3, i, 'c' FROM generate_series(1, 20) i;
      INSERT INTO kinds.composite_key SELECT chr(64 + i % 60), date '2024-01-01' - i, i / 7.0, i FROM generate_series(1, 50) i;
      INSERT INTO kinds.late_key SELECT 'v' || i, NULL, md5(i::text)::uuid FROM generate_series(1, 20) i`,
    changes: [
      "UPDATE kinds.by_index SET c = 'changed' WHERE b < 5; UPDATE kinds.by_index SET b = b + 100 WHERE b > 15; DELETE FROM kinds.by_index WHERE b = 7",
      "UPDATE kinds.composite_key SET v = -v; UPDATE kinds.composite_key SET d = 'infinity' WHERE v = -10; UPDATE kinds.composite_key SET n = 'NaN' WHERE v = -11; UPDATE kinds.composite_key SET v = 0 WHERE n = 'NaN'",
      "UPDATE kinds.late_key SET w = v; DELETE FROM kinds.late_key WHERE v = 'v3'",
    ],
  },
  {
    name: 'without columns, and with as many as there can be',
    tables: ['no_columns', 'most_columns'],
    setup: `
      CREATE TABLE kinds.no_columns ();
      ALTER TABLE kinds.no_columns REPLICA IDENTITY FULL;
      INSERT INTO kinds.no_columns DEFAULT VALUES;
      INSERT INTO kinds.no_columns DEFAULT VALUES;
      DO $$ BEGIN EXECUTE 'CREATE TABLE kinds.most_columns (id int PRIMARY KEY, ' || (SELECT string_agg('c' || i || ' bool', ', ') FROM generate_series(1, 1599) i) || ')'; END $$;
      INSERT INTO kinds.most_columns (id, c1, c1599) VALUES (1, true, false), (2, NULL, true)`,
    changes: [
      'INSERT INTO kinds.no_columns DEFAULT VALUES',
      'UPDATE kinds.most_columns SET c800 = true; INSERT INTO kinds.most_columns (id, c2) VALUES (3, true); DELETE FROM kinds.most_columns WHERE id = 2',
    ],
  },
  {
    name: 'of more rows than one chunk, with a key of each order',
    tables: ['many_rows', 'many_texts'],
    setup: `
      CREATE TABLE kinds.many_rows (id bigint PRIMARY KEY, t text);
      CREATE TABLE kinds.many_texts (id text PRIMARY KEY, n int);
      INSERT INTO kinds.many_rows SELECT i * 3, md5(i::text) FROM generate_series(1, 60000) i;
      INSERT INTO kinds.many_texts SELECT md5(i::text) || CASE WHEN i % 2 = 0 THEN 'Ä' ELSE 'a' END, i FROM generate_series(1, 30000) i`,
    changes: [
      'UPDATE kinds.many_rows SET t = t || id WHERE id % 2 = 0',
      'DELETE FROM kinds.many_texts WHERE n % 5 = 0; INSERT INTO kinds.many_texts SELECT md5(i::text), i FROM generate_series(1, 1000) i',
    ],
  },
];
