import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { type MysqlServer, startMysql } from '@millrace/local/mysql.js';
import { hasProgram } from '@millrace/local/run-program.js';
import { type LineTarget, mariadbTarget, postgresTarget } from './mysql-target.js';
import { type BenchPlace, emptyFolder, startPlace, startTarget } from './servers.js';

/** More memory than a test's server has. Every commit is on disk at both ends: sync_binlog and innodb_flush_log_at_trx_commit stay 1. */
const SETTINGS = {
  'innodb-buffer-pool-size': '512M',
  'innodb-log-file-size': '1G',
  // The latency of a row is told by the time that the source wrote into it.
  'default-time-zone': '+00:00',
};

const PROGRAMS = ['mariadb-binlog', 'mariadb-dump', 'mariadb'] as const;

export interface MysqlBenchServers extends BenchPlace, AsyncDisposable {
  readonly source: MysqlServer;
  readonly target: LineTarget;
}

/** MariaDB to the target's engine, for the bench alone, empty at the start. @throws MillraceError `LOCAL_*` */
export async function startMysqlBenchServers(to: LineTarget['engine']): Promise<MysqlBenchServers> {
  const dir = await emptyFolder();
  for (const program of PROGRAMS) {
    if (!(await hasProgram(program)))
      throw new MillraceError('LOCAL_PREREQUISITE_MISSING', {
        what: program,
        needed: 'It is what Millrace is measured against.',
        remedy: "Install MariaDB's server package with its client programs (Debian, Ubuntu: `apt-get install mariadb-server`).",
      });
  }
  const source = await startMysql({ engine: 'mariadb', dir: join(dir, 'source'), settings: SETTINGS });
  const server =
    to === 'postgres' ? await startTarget(dir) : await startMysql({ engine: to, dir: join(dir, 'target'), settings: SETTINGS });
  const { stack, ...place } = await startPlace(dir, { source, target: server, from: 'mariadb', to });
  return {
    ...place,
    source,
    target: to === 'postgres' ? postgresTarget(server.url) : mariadbTarget(server.url),
    async [Symbol.asyncDispose]() {
      await Promise.all([stack[Symbol.asyncDispose](), source.stop(), server.stop()]);
    },
  };
}
