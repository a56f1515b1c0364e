import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { type MysqlServer, startMysql } from '@millrace/local/mysql.js';
import type { PostgresServer } from '@millrace/local/postgres.js';
import { hasProgram } from '@millrace/local/run-program.js';
import { type BenchPlace, emptyFolder, startPlace, startTarget } from './servers.js';

/** More memory than a test's server has. Every commit is on disk at both ends: sync_binlog and innodb_flush_log_at_trx_commit stay 1. */
const SETTINGS = {
  'innodb-buffer-pool-size': '512M',
  'innodb-log-file-size': '1G',
  // The latency of a row is told by the time that the source wrote into it.
  'default-time-zone': '+00:00',
};

export interface MysqlBenchServers extends BenchPlace, AsyncDisposable {
  readonly source: MysqlServer;
  readonly target: PostgresServer;
}

/** MariaDB to PostgreSQL, for the bench alone, empty at the start. @throws MillraceError `LOCAL_*` */
export async function startMysqlBenchServers(): Promise<MysqlBenchServers> {
  const dir = await emptyFolder();
  if (!(await hasProgram('mariadb-binlog')))
    throw new MillraceError('LOCAL_PREREQUISITE_MISSING', {
      what: 'mariadb-binlog',
      needed: 'It is what Millrace is measured against.',
      remedy: "Install MariaDB's server package with its client programs (Debian, Ubuntu: `apt-get install mariadb-server`).",
    });
  const source = await startMysql({ engine: 'mariadb', dir: join(dir, 'source'), settings: SETTINGS });
  const target = await startTarget(dir);
  const { stack, ...place } = await startPlace(dir, { source, target, from: 'mariadb' });
  return {
    ...place,
    source,
    target,
    async [Symbol.asyncDispose]() {
      await Promise.all([stack[Symbol.asyncDispose](), source.stop(), target.stop()]);
    },
  };
}
