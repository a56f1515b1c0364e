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
    ]);
  });

  test('a collation that the target lacks is told, and never makes two keys one', async () => {
    await using fixture = await SinkFixture.open(engine);
    const collations = ['utf8mb4_uca1400_ai_ci', 'utf8mb4_0900_ai_ci', 'utf8mb3_general_ci', 'latin1_german1_ci'];
    const columns = collations.map((collation, index) => column(`c${index}`, 'varchar(20)', { collation }));
    const version = fixture.table('t', [id, ...columns], ['id']);
    // To MariaDB a collation of MySQL's comes under its own name for the same rules.
    const missing = engine === 'mariadb' ? [] : ['c0'];
    const findings = await fixture.sink.assess([version.schema], 'DO_NOTHING');
    expect(findings.map(({ code, where }) => [code, where])).toEqual(
      missing.map((name) => ['TARGET_COLLATION_MISSING', `${fixture.database.name}.t.${name}`]),
    );
    await fixture.create(version);
    const made = await fixture.rows(
      "SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't' AND COLLATION_NAME IS NOT NULL ORDER BY ORDINAL_POSITION",
    );
    expect(made.map(([name]) => name)).toEqual(
      engine === 'mariadb'
        ? ['utf8mb4_uca1400_ai_ci', 'utf8mb4_uca1400_nopad_ai_ci', 'utf8mb3_general_ci', 'latin1_german1_ci']
        : ['utf8mb4_bin', 'utf8mb4_0900_ai_ci', 'utf8_general_ci', 'latin1_german1_ci'],
    );
  });
});
