import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '@millrace/local/paths.js';
import { scratchFolder, startMysql, uniqueWord } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { createMysqlSource } from '../connector.js';
import { CaptureHarness, ENGINES, type Engine } from '../testing/capture-harness.js';

async function grant(capture: CaptureHarness, role: string): Promise<void> {
  const text = await readFile(join(REPOSITORY_ROOT, 'deploy/grants/mysql-source.sql'), 'utf8');
  const sql = text.replaceAll('`millrace`', `\`${role}\``).replaceAll('`shop`', `\`${capture.database.name}\``);
  await capture.sql.query(sql);
  await capture.sql.query(sql);
}

function urlAs(capture: CaptureHarness, role: string, password: string): string {
  const url = new URL(capture.database.url);
  url.username = role;
  url.password = password;
  return url.href;
}

async function codesOf(capture: CaptureHarness): Promise<readonly string[]> {
  await using source = createMysqlSource({ url: capture.url ?? capture.database.url });
  return (await source.assess(capture.selector)).map(({ severity, code }) => `${severity} ${code}`).sort();
}

describe.each(ENGINES)('the assessment of %s', (engine) => {
  test('a role with the rights of deploy/grants/mysql-source.sql is assessed without an error, loads and streams', async () => {
    await using capture = await CaptureHarness.open(engine);
    const role = uniqueWord();
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
    try {
      await grant(capture, role);
      capture.url = urlAs(capture, role, 'change me');
      expect((await codesOf(capture)).filter((code) => !code.startsWith('info'))).toEqual([]);
      await capture.first();
      await capture.sql.query('INSERT INTO t VALUES (2); ALTER TABLE t ADD c int; INSERT INTO t VALUES (3, 3)');
      await capture.until('the rows have come', () => capture.journal.changes.length === 2);
    } finally {
      await capture.sql.query(`DROP USER ${role}@'%'`);
    }
  });

  test('missing rights, cascades, engines without transactions and types that are not carried are findings', async () => {
    await using capture = await CaptureHarness.open(engine);
    const role = uniqueWord();
    await capture.sql.query(`CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE);
      CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM`);
    expect(await codesOf(capture)).toEqual(expect.arrayContaining(['error SOURCE_TABLE_ENGINE', 'warning SOURCE_CASCADES']));
    await capture.sql.query(
      `CREATE USER ${role}@'%' IDENTIFIED BY 'p'; GRANT SELECT ON \`${capture.database.name}\`.* TO ${role}@'%'`,
    );
    try {
      capture.url = urlAs(capture, role, 'p');
      expect((await codesOf(capture)).filter((code) => code === 'error SOURCE_GRANT_MISSING')).toHaveLength(2);
    } finally {
      await capture.sql.query(`DROP USER ${role}@'%'`);
    }
  });

  test('settings of the log that are not fit are errors, each with what to set', async () => {
    const unfit: Record<Engine, Record<string, string>> = {
      mysql: { 'binlog-format': 'MIXED', 'binlog-row-value-options': 'PARTIAL_JSON', 'binlog-row-metadata': 'MINIMAL' },
      mariadb: { 'binlog-format': 'STATEMENT', 'binlog-row-image': 'NOBLOB', 'binlog-row-metadata': 'NO_LOG' },
    };
    await using server = await startMysql({ engine, dir: await scratchFolder(), settings: unfit[engine] });
    await using capture = await CaptureHarness.open(engine, server.url);
    await using source = createMysqlSource({ url: capture.database.url });
    const findings = (await source.assess(capture.selector)).filter(({ code }) => code === 'SOURCE_SETTING');
    expect(findings.filter(({ severity }) => severity === 'error')).toHaveLength(2);
    expect(findings.filter(({ severity }) => severity === 'warning')).toHaveLength(1);
    for (const { remedy } of findings) expect(remedy).toContain('SET GLOBAL');
  });
});
