import { describe, expect, test } from 'vitest';
import { ENGINES, SinkFixture } from './testing/sink-fixture.js';
import { column } from './testing/table-schemas.js';

const id = column('id', 'int', { nullable: false });

describe.each(ENGINES)('assessing a target of %s', (engine) => {
  test('tables that are there are judged by what they hold, and what fires in them', async () => {
    await using fixture = await SinkFixture.open(engine);
    await fixture.run(
      'CREATE TABLE slow (id int PRIMARY KEY) ENGINE=MyISAM',
      'CREATE VIEW v AS SELECT 1 AS id',
      `CREATE TABLE narrow (id int PRIMARY KEY, d decimal(5,1), s varchar(5), ts datetime, l varchar(20) CHARACTER SET latin1, extra int NOT NULL, n int NOT NULL)
         ENGINE=InnoDB CHARACTER SET utf8mb4`,
      'CREATE TABLE folded (k varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY) ENGINE=InnoDB CHARACTER SET utf8mb4',
      'CREATE TRIGGER fires BEFORE INSERT ON folded FOR EACH ROW SET NEW.k = NEW.k',
    );
    const narrow = [
      id,
      column('d', 'decimal(10,2)'),
      column('s', 'varchar(10)'),
      column('ts', 'datetime(6)'),
      column('l', 'varchar(20)'),
      column('missing', 'int'),
      column('n', 'int'),
    ];
    const tables = [
      fixture.table('slow', [id], ['id']),
      fixture.table('v', [id], ['id']),
      fixture.table('narrow', narrow, ['id']),
      fixture.table('folded', [column('k', 'varchar(20)', { nullable: false })], ['k']),
      fixture.table(
        'new',
        [
          id,
          column('u', 'uuid', {
            type: { kind: 'uuid' },
            native: { engine: 'mariadb', schema: '', name: 'uuid', declaration: 'uuid' },
          }),
        ],
        ['id'],
      ),
    ];
    const findings = await fixture.sink.assess(
      tables.map(({ schema }) => schema),
      'DO_NOTHING',
    );
    const at = (name: string): string => `${fixture.database.name}.${name}`;
    expect(findings.map(({ severity, code, where }) => [severity, code, where])).toEqual([
      ['error', 'TARGET_NOT_TRANSACTIONAL', at('slow')],
      ['error', 'TARGET_NOT_A_TABLE', at('v')],
      ...['d', 's', 'ts', 'l', 'missing', 'n', 'extra'].map((name) => [
        'error',
        'TARGET_TABLE_INCOMPATIBLE',
        at(`narrow.${name}`),
      ]),
      ['warning', 'TARGET_KEY_COLLATION', at('folded.k')],
      ['warning', 'TARGET_TABLE_TRIGGERS', at('folded')],
      // MariaDB has the type, and MySQL has nothing that is the same.
      ...(engine === 'mysql' ? [['error', 'TARGET_TYPE_MISSING', at('new')]] : []),
    ]);
  });
});
